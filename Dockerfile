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

# The same Debian as the builder's, because the binary is linked against its C library.
FROM debian:trixie-slim
# A number, so that a platform that refuses root can see that this is not root.
RUN useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin doable \
    && install --directory --owner=doable --group=doable --mode=0700 /data
COPY --from=build /usr/local/bin/app /usr/local/bin/app
USER 10001:10001
# The default folder is ./data, which is /data from here.
WORKDIR /
VOLUME /data
ENV HOST=0.0.0.0 PORT=8000
EXPOSE 8000
# The image has no curl: bash speaks enough HTTP to ask for a status.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/$PORT && printf 'GET /health/ready HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r -t 4 _ status _ <&3 && [[ $status == 200 ]]"]
ENTRYPOINT ["/usr/local/bin/app"]
