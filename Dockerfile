# syntax=docker/dockerfile:1

# The server in a small image. It listens on port 8000 of every address inside the container; what is published decides
# who can reach it. Without DATABASE_URL it keeps an SQLite file in /data.
#
#     docker build --tag doable .
#     docker run --publish 127.0.0.1:8000:8000 --volume doable:/data doable
#
# docker-compose.yml runs it with Postgres.

FROM rust:1.95-slim-trixie AS build
WORKDIR /src
COPY . .
# The caches stay with the builder: after a change only what changed is compiled again. What leaves this step has to be
# copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --profile dist --locked --package app \
    && cp target/dist/app /usr/local/bin/app

# Made here, because the image below has no shell.
RUN mkdir /data

# The C library of the builder's Debian (13, trixie), against which the binary is linked, certificates, and nothing that can be
# run: no shell, no package manager.
FROM gcr.io/distroless/cc-debian13
COPY --from=build /usr/local/bin/app /usr/local/bin/app
COPY --from=build --chown=10001:10001 --chmod=0700 /data /data
# A number, so that a platform that refuses root can see that this is not root.
USER 10001:10001
# The default folder is ./data, which is /data from here.
WORKDIR /
VOLUME /data
ENV HOST=0.0.0.0 PORT=8000
EXPOSE 8000
# It asks /health/ready at HOST and PORT: set these by variables rather than by flags. Docker asks often at the start, so that
# what depends on the server need not wait.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/local/bin/app", "healthcheck"]
# SIGTERM, after which a stop takes up to 10 s: docker stop --timeout 15.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/app"]
