-- Answers kept in memory are wrong once a table behind them was written, by whatever route of whatever instance. The
-- trigger that calls this stands only on tables of resources that declare `cache`, made when one starts: a transaction
-- that notifies takes a lock of the whole server when it commits, so commits of every table would queue up behind it.
CREATE FUNCTION "tenon_table_changed"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('tenon_tables', TG_TABLE_NAME);
  RETURN NULL;
END $$;
