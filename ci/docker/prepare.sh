#!/bin/sh
# Make what docker-compose.yml reads: keys, policies and secrets, in gate-config (or the folder given).
#
#   sh ci/docker/prepare.sh [FOLDER]
#
# Nothing that is there is ever overwritten, so it may run again. With `gate` installed it needs nothing
# but openssl; without, it takes `gate` from the image, which `docker compose build` makes.
set -eu

folder=${1:-${GATE_CONFIG:-gate-config}}
secrets=$folder/secrets
image=${GATE_IMAGE:-mlflow-spectral-gate:0.1.0}

if command -v gate >/dev/null 2>&1; then
  gate init --directory "$folder" --role check --role override >/dev/null
else
  mkdir -p "$folder"
  docker run --rm --user "$(id -u):$(id -g)" --volume "$(cd "$folder" && pwd):/tmp/config" "$image" \
    gate init --directory /tmp/config --role check --role override >/dev/null
fi

# Containers run as users of their own and mount single files from here: those must be readable to all,
# and the folder closed to everybody else on this machine.
mkdir -p "$secrets"
chmod 700 "$secrets"
grep -qx '/secrets/' "$folder/.gitignore" || echo '/secrets/' >>"$folder/.gitignore"

# put NAME: keep the file, or write standard input to it, whole or not at all
put() {
  [ -s "$secrets/$1" ] && return
  cat >"$secrets/.$1"
  chmod 644 "$secrets/.$1"
  mv "$secrets/.$1" "$secrets/$1"
  echo "prepared $secrets/$1"
}

for name in postgres_password admin_password watcher_password flask_key webhook_secret s3_key; do
  openssl rand -hex 24 | put "$name"
done
openssl rand -base64 32 | tr '+/' '-_' | put webhook_encryption_key # a Fernet key
[ -s "$secrets/signing_key" ] || put signing_key <"$folder/private/check.pem"

key=$(cat "$secrets/s3_key")
printf '[default]\naws_access_key_id = mlflow\naws_secret_access_key = %s\n' "$key" | put s3_credentials
printf '{"identities": [{"name": "mlflow", "credentials": [{"accessKey": "mlflow", "secretKey": "%s"}], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}\n' "$key" | put s3.json
