#!/bin/sh
# Become a command that finds its secrets where it looks for them.
#
# Secrets come as files (NAME_FILE names one). What can be read from a file stays in one, in a folder
# that nobody else may read; only the two that MLflow takes from nowhere else go to the environment of
# the command. None is ever an argument.
#
#   PGPASSWORD_FILE                            -> PGPASSFILE, for every host and database
#   MLFLOW_AUTH_ADMIN_PASSWORD_FILE            -> MLFLOW_AUTH_CONFIG_PATH, with MLFLOW_AUTH_DATABASE_URI
#   MLFLOW_TRACKING_PASSWORD_FILE              -> ~/.mlflow/credentials; the name is MLFLOW_TRACKING_USERNAME
#   MLFLOW_FLASK_SERVER_SECRET_KEY_FILE        -> the variable without _FILE
#   MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY_FILE  -> likewise
set -eu
umask 077

HOME=$(mktemp -d "${TMPDIR:-/tmp}/gate.XXXXXX")
export HOME

# The first line of a file. An unreadable or empty one ends the start: nothing may run without its secret.
secret() {
  [ -s "$1" ] && [ -r "$1" ] || { echo "gate-entrypoint: $1 is missing, empty or not readable by $(id -u)" >&2; exit 78; }
  head -n 1 "$1"
}

if [ -n "${PGPASSWORD_FILE:-}" ]; then
  password=$(secret "$PGPASSWORD_FILE")
  printf '*:*:*:*:%s\n' "$(printf '%s' "$password" | sed 's/[\\:]/\\&/g')" >"$HOME/pgpass"
  export PGPASSFILE="$HOME/pgpass"
fi

if [ -n "${MLFLOW_AUTH_ADMIN_PASSWORD_FILE:-}" ]; then
  password=$(secret "$MLFLOW_AUTH_ADMIN_PASSWORD_FILE")
  {
    printf '[mlflow]\ndefault_permission = %s\n' "${MLFLOW_AUTH_DEFAULT_PERMISSION:-READ}"
    printf 'database_uri = %s\n' "$(printf '%s' "$MLFLOW_AUTH_DATABASE_URI" | sed 's/%/%%/g')"
    printf 'admin_username = %s\n' "${MLFLOW_AUTH_ADMIN_NAME:-admin}"
    printf 'admin_password = %s\n' "$(printf '%s' "$password" | sed 's/%/%%/g')"
    printf 'authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n'
    # Checking a password is slow on purpose, and a check by the watcher makes some 70 requests.
    printf 'auth_cache_ttl_seconds = %s\n' "${MLFLOW_AUTH_CACHE_SECONDS:-60}"
  } >"$HOME/auth.ini"
  export MLFLOW_AUTH_CONFIG_PATH="$HOME/auth.ini"
fi

if [ -n "${MLFLOW_TRACKING_PASSWORD_FILE:-}" ]; then
  password=$(secret "$MLFLOW_TRACKING_PASSWORD_FILE")
  mkdir "$HOME/.mlflow"
  printf '[mlflow]\nmlflow_tracking_password = %s\n' "$(printf '%s' "$password" | sed 's/%/%%/g')" \
    >"$HOME/.mlflow/credentials"
fi

if [ -n "${MLFLOW_FLASK_SERVER_SECRET_KEY_FILE:-}" ]; then
  MLFLOW_FLASK_SERVER_SECRET_KEY=$(secret "$MLFLOW_FLASK_SERVER_SECRET_KEY_FILE")
  export MLFLOW_FLASK_SERVER_SECRET_KEY
fi
if [ -n "${MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY_FILE:-}" ]; then
  MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY=$(secret "$MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY_FILE")
  export MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY
fi

exec "$@"
