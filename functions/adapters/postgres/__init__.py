"""PostgreSQL: the connection, the named statements and the ports they implement."""
