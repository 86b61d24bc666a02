# Runs once, when PostgreSQL initialises its volume. The database's owner is no superuser. The superuser has no password
# and can log in only from inside the pod.
psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --no-psqlrc --quiet --set ON_ERROR_STOP=1 \
  --set superuser="$POSTGRES_USER" --set database="$POSTGRES_DB" --set password="$(cat /secret/password)" <<'SQL'
CREATE ROLE sspp LOGIN CREATEROLE PASSWORD :'password';
ALTER DATABASE :"database" OWNER TO sspp;
ALTER ROLE :"superuser" PASSWORD NULL;
SQL
