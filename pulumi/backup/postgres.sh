#!/bin/sh
# PostgreSQL as one file: `postgres.sh dump FILE` and `postgres.sh restore FILE`, of the database in DATABASE_URL.
# Runs in PostgreSQL's own image, whose major version is at least the server's.
set -eu
umask 077

# Our URL may carry the server's authority (sslrootcert=data:<URL-safe base64>); libpq wants a file.
url=$DATABASE_URL
case $url in *sslrootcert=data*)
  authority=$(mktemp)
  trap 'rm -f "$authority"' EXIT
  printf %s "$url" | sed -E 's/.*sslrootcert=data(:|%3A)([^&]*).*/\2/; s/%3[Dd]/=/g' | tr _- /+ | base64 -d > "$authority"
  url=$(printf %s "$url" | sed -E "s|sslrootcert=[^&]*|sslrootcert=$authority|")
esac

case $1 in
  dump)
    # Owners and rights of the old server's users mean nothing on a new one; those of our parts are ours.
    mkdir -p "$(dirname "$2")"
    pg_dump --dbname "$url" --format custom --no-owner --file "$2"
    ;;
  restore)
    # Roles belong to the server, not the database, so no dump holds them.
    psql --dbname "$url" --quiet --no-psqlrc --set ON_ERROR_STOP=1 <<'SQL'
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['sspp_reader', 'sspp_api', 'sspp_process', 'sspp_index', 'sspp_notify', 'sspp_tick'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', name);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END LOOP;
END $$;
GRANT sspp_reader TO CURRENT_USER;
SQL
    # All of it or nothing.
    pg_restore --dbname "$url" --clean --if-exists --no-owner --single-transaction --exit-on-error "$2"
    ;;
  *)
    echo "usage: postgres.sh dump FILE | restore FILE" >&2
    exit 2
    ;;
esac
