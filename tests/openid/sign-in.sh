#!/usr/bin/env bash
# Signs in to a running server through `provider.mjs` like a browser, and prints each step with shortened ids.
#
#     bash sign-in.sh                    the whole flow: server, provider, server, frontend, session
#     bash sign-in.sh two-tabs           two flows of one browser at once
#     bash sign-in.sh planted-link       a link that another person opens, and one that its owner completes
#     bash sign-in.sh all                all of these
#     bash sign-in.sh --provider-alone   the provider without a server; needs CLIENT_SECRET as printed by `provider.mjs`
#
# Settings, all optional: BASE_URL (the server: http://127.0.0.1:8000), ISSUER (http://127.0.0.1:9010), LOGIN
# (ada@example.com), CLIENT_ID (doable). It requires curl and node. Cookies are deleted at exit.
set -euo pipefail

BASE_URL="${BASE_URL:-http://127.0.0.1:8000}"
ISSUER="${ISSUER:-http://127.0.0.1:9010}"
LOGIN="${LOGIN:-ada@example.com}"
CLIENT_ID="${CLIENT_ID:-doable}"
CALLBACK="$BASE_URL/auth/google/callback"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# short <text>: replaces long random values by their first characters and decodes percent-encoded : / @ and space.
short() {
    sed -E 's/%(3A|2F|40|20)/\n\1\n/g; s/([=/".])([A-Za-z0-9_-]{6})[A-Za-z0-9_-]{15,}/\1\2…/g; s/\n3A\n/:/g; s/\n2F\n/\//g; s/\n40\n/@/g; s/\n20\n/ /g' <<<"$1"
}

# request <curl arguments…> <URL>: sends a request with the cookies. Sets $status and $location (a redirect or empty),
# and writes $work/body.
request() {
    local url="${*: -1}" method=GET
    [[ " $* " == *" --data"* || " $* " == *" --request POST "* ]] && method=POST
    read -r status location < <(curl --silent --show-error --max-time 20 --cookie "$work/jar" --cookie-jar "$work/jar" \
        --output "$work/body" --write-out '%{http_code} %{redirect_url}\n' "$@") || true
    [[ "$status" != 000 ]] || fail "$(short "$url") does not respond"
    echo "$method $(short "$url")"
    echo "  $status${location:+ -> $(short "$location")}"
}

# follow <URL>: follows redirects until a page, or a redirect to the callback, which is left in $location.
follow() {
    location="$1"
    while [[ -n "$location" && "$location" != "$CALLBACK"* ]]; do
        request "$location"
    done
}

# form: prints the action URL of the form on the page.
form() {
    grep -oE '<form[^>]* action="[^"]+"' "$work/body" | sed -E 's/.* action="([^"]+)"/\1/; s/&amp;/\&/g' | head -n 1
}

# at_provider <URL>: logs in and consents, unless this browser has done so before. $location is the callback URL.
at_provider() {
    follow "$1"
    [[ "$location" != "$CALLBACK"* ]] || return 0
    [[ "$status" == 200 ]] || fail "the provider shows no login form: $(head -c 400 "$work/body")"
    request --data-urlencode prompt=login --data-urlencode "login=$LOGIN" --data-urlencode password=any "$(form)"
    follow "$location"
    if [[ "$location" != "$CALLBACK"* ]]; then
        [[ "$status" == 200 ]] || fail "the provider does not ask for consent: $(head -c 400 "$work/body")"
        request --data-urlencode prompt=consent "$(form)"
        follow "$location"
    fi
    [[ "$location" == "$CALLBACK"* ]] || fail "the provider does not send the browser back"
}

# parameter <name> <URL>: prints a query parameter.
parameter() {
    node -p 'new URL(process.argv[2]).searchParams.get(process.argv[1]) ?? ""' "$1" "$2"
}

# json <expression>: prints a JavaScript expression over `body`, the last JSON response.
json() {
    node -p "const body = JSON.parse(require('fs').readFileSync('$work/body')); $1"
}

provider_alone() {
    [[ -n "${CLIENT_SECRET:-}" ]] || fail "CLIENT_SECRET is not set"
    local verifier challenge state nonce code
    verifier="$(node -p 'crypto.randomBytes(32).toString("base64url")')"
    challenge="$(node -p 'crypto.createHash("sha256").update(process.argv[1]).digest("base64url")' "$verifier")"
    state="$(node -p 'crypto.randomUUID()')"
    nonce="$(node -p 'crypto.randomUUID()')"
    local query="client_id=$CLIENT_ID&response_type=code&scope=openid%20email%20profile&state=$state&nonce=$nonce"
    query+="&code_challenge=$challenge&code_challenge_method=S256&redirect_uri=$(node -p 'encodeURIComponent(process.argv[1])' "$CALLBACK")"
    request "$ISSUER/.well-known/openid-configuration"
    [[ "$(json body.issuer)" == "$ISSUER" ]] || fail "unexpected issuer: $(json body.issuer)"
    at_provider "$(json body.authorization_endpoint)?$query"
    [[ "$(parameter state "$location")" == "$state" ]] || fail "the callback has another state"
    code="$(parameter code "$location")"
    [[ -n "$code" ]] || fail "the callback has no code"
    request --user "$CLIENT_ID:$CLIENT_SECRET" --data-urlencode grant_type=authorization_code --data-urlencode "code=$code" \
        --data-urlencode "code_verifier=$verifier" --data-urlencode "redirect_uri=$CALLBACK" "$ISSUER/token"
    [[ "$status" == 200 ]] || fail "the provider refused the code: $(head -c 400 "$work/body")"
    local claims
    claims="$(json 'Buffer.from(body.id_token.split(".")[1], "base64url").toString()')"
    echo "id token: $(short "$claims")"
    [[ "$claims" == *"$nonce"* ]] || fail "the id token has another nonce"
}

# new_browser: forgets all cookies.
new_browser() {
    rm -f "$work/jar"
}

# begin <URL>: opens a URL of the server that redirects to the provider. $location is the provider's URL.
begin() {
    request "$1"
    [[ "$status" == 302 && "$location" == "$ISSUER"/* ]] || fail "the server does not send the browser to $ISSUER"
}

# at_frontend <callback URL> <parameter>: follows the callback. Sets $code, which the frontend receives as the parameter.
at_frontend() {
    request "$1"
    [[ "$status" == 302 ]] || fail "the server does not send the browser to the frontend: $(head -c 400 "$work/body")"
    code="$(parameter "$2" "$location")"
    [[ -n "$code" ]] || fail "the frontend received the error $(parameter error "$location")"
}

# post <path> <JSON> [token]: sends a request of the frontend.
post() {
    request --header 'Content-Type: application/json' ${3:+--header "Authorization: Bearer $3"} --data "$2" "$BASE_URL$1"
}

# exchange <code>: starts a session. Sets $token and $user.
exchange() {
    post /auth/exchange "{\"code\":\"$1\"}"
    [[ "$status" == 200 ]] || fail "the server refused the code: $(head -c 400 "$work/body")"
    echo "session: $(short "$(cat "$work/body")")"
    token="$(json body.access_token)" user="$(json body.user.id)"
}

# register <name>: creates an account with a password. Sets $token and $user.
register() {
    post /auth/register "{\"email\":\"$1-$RANDOM$RANDOM@example.com\",\"password\":\"correct horse battery\"}"
    [[ "$status" == 201 ]] || fail "the server refused the registration: $(head -c 400 "$work/body")"
    token="$(json body.access_token)" user="$(json body.user.id)"
    echo "$1 is $(short "/$user")"
}

# link <token>: begins a link. Sets $url.
link() {
    request --request POST --header "Authorization: Bearer $1" "$BASE_URL/auth/google/link"
    [[ "$status" == 200 ]] || fail "the server begins no link: $(head -c 400 "$work/body")"
    url="$(json body.url)"
}

# complete <code> <token> <status>: completes a link, and expects the status.
complete() {
    post /auth/google/link/complete "{\"code\":\"$1\"}" "$2"
    echo "  $(short "$(cat "$work/body")")"
    [[ "$status" == "$3" ]] || fail "status $status instead of $3"
}

whole_flow() {
    new_browser
    begin "$BASE_URL/auth/google"
    at_provider "$location"
    at_frontend "$location" code
    exchange "$code"
    request --header "Authorization: Bearer $token" "$BASE_URL/auth/me"
    [[ "$status" == 200 ]] || fail "the access token is not accepted"
    echo "user: $(short "$(cat "$work/body")")"
}

two_tabs() {
    local first second first_code
    echo "# Two tabs of one browser"
    new_browser
    begin "$BASE_URL/auth/google"
    first="$location"
    begin "$BASE_URL/auth/google?utm_source=mail&utm_source=again"
    second="$location"
    at_provider "$first"
    first="$location"
    at_provider "$second"
    second="$location"
    at_frontend "$first" code
    first_code="$code"
    at_frontend "$second" code
    exchange "$first_code"
    exchange "$code"
}

planted_link() {
    local eve eve_user ada ada_user planted
    LOGIN="victim-$RANDOM$RANDOM@example.com"
    register eve
    eve="$token" eve_user="$user"
    register ada
    ada="$token" ada_user="$user"

    echo "# Eve begins a link; Ada opens its URL and signs in at the provider as $LOGIN"
    link "$eve"
    new_browser
    begin "$url"
    at_provider "$location"
    at_frontend "$location" link_code
    planted="$code"
    echo "# A link code starts no session"
    post /auth/exchange "{\"code\":\"$planted\"}"
    [[ "$status" == 400 ]] || fail "a link code was exchanged"
    echo "# Ada's page completes it with Ada's token, then Eve with Eve's"
    complete "$planted" "$ada" 400
    complete "$planted" "$eve" 400

    echo "# Ada links the same account herself, and signs in with it"
    link "$ada"
    begin "$url"
    at_provider "$location"
    at_frontend "$location" link_code
    complete "$code" "$ada" 204
    whole_flow
    [[ "$user" == "$ada_user" && "$user" != "$eve_user" ]] || fail "the account is linked to another user"
}

case "${1:-}" in
    --provider-alone) provider_alone ;;
    "") whole_flow ;;
    two-tabs) two_tabs ;;
    planted-link) planted_link ;;
    all)
        whole_flow
        two_tabs
        planted_link
        ;;
    *) fail "unknown option: $1" ;;
esac
echo ok
