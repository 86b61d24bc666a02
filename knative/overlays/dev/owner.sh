# Runs once, while PostgreSQL makes its volume. The database's owner is no superuser, and the superuser keeps no
# password: it can log in from within the pod and from nowhere else.
psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --no-psqlrc --quiet --set ON_ERROR_STOP=1 \
  --set superuser="$POSTGRES_USER" --set database="$POSTGRES_DB" --set password="$(cat /secret/password)" <<'SQL'
CREATE ROLE sspp LOGIN CREATEROLE PASSWORD :'password';
ALTER DATABASE :"database" OWNER TO sspp;
ALTER ROLE :"superuser" PASSWORD NULL;
SQL
