#!/bin/sh
# Run once by the postgres image on an empty volume: makes the gateway's role and
# both of its databases (README, "Databases"). The gateway fills them itself.
#
#   POSTGRES_PASSWORD   the role's password, in place of the superuser's: that one
#                       then has none, and gets in from inside the container only
#                       (docker compose exec postgres psql -U postgres)
#   GATEWAY_DB_USER     the role
#   GATEWAY_DATABASES   names, separated by spaces
set -eu

psql -X -q -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
	-v role="$GATEWAY_DB_USER" -v password="$POSTGRES_PASSWORD" <<'SQL'
CREATE ROLE :"role" LOGIN PASSWORD :'password';
SQL

for name in $GATEWAY_DATABASES; do
	psql -X -q -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
		-v role="$GATEWAY_DB_USER" -v name="$name" <<'SQL'
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'role')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
done

psql -X -q -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
	-v super="$POSTGRES_USER" <<'SQL'
ALTER ROLE :"super" PASSWORD NULL;
SQL
