CREATE TABLE "job_files" (
	"job_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"part" integer NOT NULL,
	"content" text NOT NULL,
	CONSTRAINT "job_files_job_id_kind_part_pk" PRIMARY KEY("job_id","kind","part")
);
--> statement-breakpoint
CREATE TABLE "job_progress" (
	"job_id" uuid PRIMARY KEY NOT NULL,
	"done" bigint NOT NULL,
	"total" bigint,
	"checkpoint" jsonb,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);--> statement-breakpoint
-- The tables of the queue, as pg-boss 12.30.0 (schema version 40) makes them, in `public`: a hosted database gives out roles that
-- may create nothing elsewhere. Its partitions for statistics of a day are left out, since nothing writes them.
CREATE TYPE public.job_state AS ENUM (
  'created',
  'retry',
  'active',
  'completed',
  'cancelled',
  'failed'
);--> statement-breakpoint
CREATE TABLE public.version (
  version int primary key,
  cron_on timestamp with time zone,
  bam_on timestamp with time zone,
  flow_on timestamp with time zone,
  reindex_on timestamp with time zone,
  monitor_backoff_on timestamp with time zone
);--> statement-breakpoint
CREATE TABLE public.queue (
  name text NOT NULL,
  policy text NOT NULL,
  retry_limit int NOT NULL,
  retry_delay int NOT NULL,
  retry_backoff bool NOT NULL,
  retry_delay_max int,
  expire_seconds int NOT NULL,
  retention_seconds int NOT NULL,
  deletion_seconds int NOT NULL,
  dead_letter text REFERENCES public.queue (name) CHECK (dead_letter IS DISTINCT FROM name),
  partition bool NOT NULL,
  table_name text NOT NULL,
  deferred_count int NOT NULL default 0,
  queued_count int NOT NULL default 0,
  ready_count int NOT NULL default 0,
  warning_queued int NOT NULL default 0,
  active_count int NOT NULL default 0,
  failed_count int NOT NULL default 0,
  total_count int NOT NULL default 0,
  ready_history int[] NOT NULL default '{}',
  heartbeat_seconds int,
  notify bool NOT NULL DEFAULT false,
  singletons_active text[],
  -- Two stamps, not one. monitor_claim_on is the interval claim that decides which instance
  -- runs a monitor pass; monitor_on is when this queue's counts were actually written, and is
  -- stamped only by the aggregate that wrote them (see cacheQueueStats). Splitting them is what
  -- lets a pass be claimed and then skip the aggregate — because the vacuum backoff is in force,
  -- or because another instance holds the stats try-lock — without capturedOn claiming a
  -- freshness the counts do not have.
  monitor_claim_on timestamp with time zone,
  monitor_on timestamp with time zone,
  maintain_on timestamp with time zone,
  created_on timestamp with time zone not null default now(),
  updated_on timestamp with time zone not null default now(),
  PRIMARY KEY (name)
);--> statement-breakpoint
CREATE TABLE public.schedule (
  name text REFERENCES public.queue ON DELETE CASCADE,
  key text not null DEFAULT '',
  cron text not null,
  timezone text,
  data jsonb,
  options jsonb,
  created_on timestamp with time zone not null default now(),
  updated_on timestamp with time zone not null default now(),
  PRIMARY KEY (name, key)
);--> statement-breakpoint
CREATE TABLE public.subscription (
  event text not null,
  name text not null REFERENCES public.queue ON DELETE CASCADE,
  created_on timestamp with time zone not null default now(),
  updated_on timestamp with time zone not null default now(),
  PRIMARY KEY(event, name)
);--> statement-breakpoint
CREATE TABLE public.bam (
  id uuid PRIMARY KEY default gen_random_uuid(),
  name text NOT NULL,
  version int NOT NULL,
  status text NOT NULL DEFAULT 'pending',
  queue text,
  table_name text NOT NULL,
  command text NOT NULL,
  error text,
  created_on timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  started_on timestamp with time zone,
  completed_on timestamp with time zone
);--> statement-breakpoint
CREATE FUNCTION public.job_table_format(command text, table_name text)
RETURNS text AS
$$
  SELECT format(
    regexp_replace(
      regexp_replace(command, '\.job\y', '.%1$I', 'g'),
      '\yjob_i(\d+)', '%1$s_i\1', 'g'
    ),
    table_name
  );
$$
LANGUAGE sql IMMUTABLE;--> statement-breakpoint
CREATE FUNCTION public.job_table_run(command text, tbl_name text DEFAULT NULL, queue_name text DEFAULT NULL)
RETURNS VOID AS
$$
DECLARE
  tbl RECORD;
BEGIN
  IF queue_name IS NOT NULL THEN
    SELECT table_name INTO tbl_name FROM public.queue WHERE name = queue_name;
  END IF;

  IF tbl_name IS NOT NULL THEN
    EXECUTE public.job_table_format(command, tbl_name);
    RETURN;
  END IF;

  EXECUTE public.job_table_format(command, 'job_common');

  FOR tbl IN SELECT table_name FROM public.queue WHERE partition = true
  LOOP
    EXECUTE public.job_table_format(command, tbl.table_name);
  END LOOP;
END;
$$
LANGUAGE plpgsql;--> statement-breakpoint
CREATE FUNCTION public.job_table_run_async(command_name text, version int, command text, tbl_name text DEFAULT NULL, queue_name text DEFAULT NULL)
RETURNS VOID AS
$$
BEGIN
  IF queue_name IS NOT NULL THEN
    SELECT table_name INTO tbl_name FROM public.queue WHERE name = queue_name;
  END IF;

  IF tbl_name IS NOT NULL THEN
    INSERT INTO public.bam (name, version, status, queue, table_name, command)
    VALUES (
      command_name,
      version,
      'pending',
      queue_name,
      tbl_name,
      public.job_table_format(command, tbl_name)
    );
    RETURN;
  END IF;

  INSERT INTO public.bam (name, version, status, queue, table_name, command)
  SELECT
    command_name,
    version,
    'pending',
    NULL,
    'job_common',
    public.job_table_format(command, 'job_common')
  UNION ALL
  SELECT
    command_name,
    version,
    'pending',
    queue.name,
    queue.table_name,
    public.job_table_format(command, queue.table_name)
  FROM public.queue
  WHERE partition = true;
END;
$$
LANGUAGE plpgsql;--> statement-breakpoint
CREATE TABLE public.job (
  id uuid not null default gen_random_uuid(),
  name text not null,
  priority integer not null default(0),
  data jsonb,
  state public.job_state not null default 'created',
  retry_limit integer not null default 2,
  retry_count integer not null default 0,
  retry_delay integer not null default 0,
  retry_backoff boolean not null default false,
  retry_delay_max integer,
  expire_seconds int not null default 900,
  deletion_seconds int not null default 604800,
  singleton_key text,
  singleton_on timestamp without time zone,
  group_id text,
  group_tier text,
  start_after timestamp with time zone not null default now(),
  created_on timestamp with time zone not null default now(),
  started_on timestamp with time zone,
  completed_on timestamp with time zone,
  keep_until timestamp with time zone NOT NULL default now() + interval '1209600',
  output jsonb,
  dead_letter text,
  policy text,
  heartbeat_on timestamp with time zone,
  heartbeat_seconds int,
  blocked boolean not null default false,
  blocking boolean not null default false,
  pending_dependencies int not null default 0,
  source_name text,
  source_id uuid,
  source_created_on timestamp with time zone,
  source_retry_count int
) PARTITION BY LIST (name);--> statement-breakpoint
ALTER TABLE public.job ADD PRIMARY KEY (name, id);--> statement-breakpoint
CREATE TABLE public.job_common (LIKE public.job INCLUDING GENERATED INCLUDING DEFAULTS);--> statement-breakpoint
SELECT public.job_table_run($cmd$ALTER TABLE public.job ADD PRIMARY KEY (name, id)$cmd$, 'job_common');--> statement-breakpoint
SELECT public.job_table_run($cmd$ALTER TABLE public.job ADD CONSTRAINT q_fkey FOREIGN KEY (name) REFERENCES public.queue (name) ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED$cmd$, 'job_common');--> statement-breakpoint
SELECT public.job_table_run($cmd$ALTER TABLE public.job ADD CONSTRAINT dlq_fkey FOREIGN KEY (dead_letter) REFERENCES public.queue (name) ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED$cmd$, 'job_common');--> statement-breakpoint
SELECT public.job_table_run($cmd$CREATE UNIQUE INDEX job_i1 ON public.job (name, COALESCE(singleton_key, '')) WHERE state = 'created' AND policy = 'short'$cmd$, 'job_common');--> statement-breakpoint
SELECT public.job_table_run($cmd$CREATE UNIQUE INDEX job_i2 ON public.job (name, COALESCE(singleton_key, '')) WHERE state = 'active' AND policy = 'singleton'$cmd$, 'job_common');--> statement-breakpoint
SELECT public.job_table_run($cmd$CREATE UNIQUE INDEX job_i3 ON public.job (name, state, COALESCE(singleton_key, '')) WHERE state <= 'active' AND policy = 'stately'$cmd$, 'job_common');--> statement-breakpoint
SELECT public.job_table_run($cmd$CREATE UNIQUE INDEX job_i6 ON public.job (name, COALESCE(singleton_key, '')) WHERE state <= 'active' AND policy = 'exclusive'$cmd$, 'job_common');--> statement-breakpoint
SELECT public.job_table_run($cmd$CREATE UNIQUE INDEX job_i8 ON public.job (name, singleton_key) WHERE state IN ('active', 'retry', 'failed') AND policy = 'key_strict_fifo'$cmd$, 'job_common');--> statement-breakpoint
SELECT public.job_table_run($cmd$CREATE INDEX job_i10 ON public.job (name, singleton_key, state DESC, created_on, id) INCLUDE (start_after) WHERE state < 'active' AND NOT blocked AND policy = 'key_strict_fifo'$cmd$, 'job_common');--> statement-breakpoint
SELECT public.job_table_run($cmd$ALTER TABLE public.job ADD CONSTRAINT job_key_strict_fifo_singleton_key_check CHECK (NOT (policy = 'key_strict_fifo' AND singleton_key IS NULL))$cmd$, 'job_common');--> statement-breakpoint
SELECT public.job_table_run($cmd$CREATE UNIQUE INDEX job_i4 ON public.job (name, singleton_on, COALESCE(singleton_key, '')) WHERE state <> 'cancelled' AND singleton_on IS NOT NULL$cmd$, 'job_common');--> statement-breakpoint
SELECT public.job_table_run($cmd$CREATE INDEX job_i11 ON public.job (name, priority DESC, created_on, start_after) WHERE state < 'active' AND NOT blocked$cmd$, 'job_common');--> statement-breakpoint
SELECT public.job_table_run($cmd$CREATE INDEX job_i7 ON public.job (name, group_id) WHERE state = 'active' AND group_id IS NOT NULL$cmd$, 'job_common');--> statement-breakpoint
SELECT public.job_table_run($cmd$CREATE INDEX job_i9 ON public.job (name, id) WHERE blocking AND state = 'completed'$cmd$, 'job_common');--> statement-breakpoint
ALTER TABLE public.job ATTACH PARTITION public.job_common DEFAULT;--> statement-breakpoint
CREATE TABLE public.warning (
  id uuid PRIMARY KEY default gen_random_uuid(),
  type text NOT NULL,
  message text NOT NULL,
  data jsonb,
  created_on timestamp with time zone NOT NULL DEFAULT now()
);--> statement-breakpoint
CREATE INDEX warning_i1 ON public.warning (created_on DESC);--> statement-breakpoint
CREATE TABLE public.queue_stats (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  name text NOT NULL,
  deferred_count int NOT NULL DEFAULT 0,
  queued_count   int NOT NULL DEFAULT 0,
  ready_count    int NOT NULL DEFAULT 0,
  active_count   int NOT NULL DEFAULT 0,
  failed_count   int NOT NULL DEFAULT 0,
  total_count    int NOT NULL DEFAULT 0,
  captured_on timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (id, captured_on)
) PARTITION BY RANGE (captured_on);--> statement-breakpoint
CREATE INDEX queue_stats_i1 ON public.queue_stats (name, captured_on DESC) INCLUDE (deferred_count, queued_count, ready_count, active_count, failed_count, total_count);--> statement-breakpoint
CREATE TABLE public.job_dependency (
  child_name text NOT NULL,
  child_id uuid NOT NULL,
  parent_name text NOT NULL,
  parent_id uuid NOT NULL,
  PRIMARY KEY (child_name, child_id, parent_name, parent_id)
);--> statement-breakpoint
CREATE INDEX IF NOT EXISTS job_dep_parent_idx ON public.job_dependency (parent_name, parent_id);--> statement-breakpoint
CREATE FUNCTION public.create_queue(queue_name text, options jsonb)
RETURNS VOID AS
$$
DECLARE
  tablename varchar := CASE WHEN options->>'partition' = 'true'
                        THEN 'j' || encode(sha224(queue_name::bytea), 'hex')
                        ELSE 'job_common'
                        END;
  queue_created_on timestamptz;
BEGIN

  WITH q as (
    INSERT INTO public.queue (
      name,
      policy,
      retry_limit,
      retry_delay,
      retry_backoff,
      retry_delay_max,
      expire_seconds,
      retention_seconds,
      deletion_seconds,
      warning_queued,
      dead_letter,
      partition,
      table_name,
      heartbeat_seconds,
      notify
    )
    VALUES (
      queue_name,
      options->>'policy',
      COALESCE((options->>'retryLimit')::int, 2),
      COALESCE((options->>'retryDelay')::int, 0),
      COALESCE((options->>'retryBackoff')::bool, false),
      (options->>'retryDelayMax')::int,
      COALESCE((options->>'expireInSeconds')::int, 900),
      COALESCE((options->>'retentionSeconds')::int, 1209600),
      COALESCE((options->>'deleteAfterSeconds')::int, 604800),
      COALESCE((options->>'warningQueueSize')::int, 0),
      options->>'deadLetter',
      COALESCE((options->>'partition')::bool, false),
      tablename,
      (options->>'heartbeatSeconds')::int,
      COALESCE((options->>'notify')::bool, false)
    )
    ON CONFLICT DO NOTHING
    RETURNING created_on
  )
  SELECT created_on into queue_created_on from q;

  IF queue_created_on IS NULL OR options->>'partition' IS DISTINCT FROM 'true' THEN
    RETURN;
  END IF;

  EXECUTE format('CREATE TABLE public.%I (LIKE public.job INCLUDING DEFAULTS)', tablename);

  EXECUTE public.job_table_format($cmd$ALTER TABLE public.job ADD PRIMARY KEY (name, id)$cmd$, tablename);
  EXECUTE public.job_table_format($cmd$ALTER TABLE public.job ADD CONSTRAINT q_fkey FOREIGN KEY (name) REFERENCES public.queue (name) ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED$cmd$, tablename);
  EXECUTE public.job_table_format($cmd$ALTER TABLE public.job ADD CONSTRAINT dlq_fkey FOREIGN KEY (dead_letter) REFERENCES public.queue (name) ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED$cmd$, tablename);

  EXECUTE public.job_table_format($cmd$CREATE INDEX job_i11 ON public.job (name, priority DESC, created_on, start_after) WHERE state < 'active' AND NOT blocked$cmd$, tablename);
  EXECUTE public.job_table_format($cmd$CREATE UNIQUE INDEX job_i4 ON public.job (name, singleton_on, COALESCE(singleton_key, '')) WHERE state <> 'cancelled' AND singleton_on IS NOT NULL$cmd$, tablename);
  EXECUTE public.job_table_format($cmd$CREATE INDEX job_i7 ON public.job (name, group_id) WHERE state = 'active' AND group_id IS NOT NULL$cmd$, tablename);
  EXECUTE public.job_table_format($cmd$CREATE INDEX job_i9 ON public.job (name, id) WHERE blocking AND state = 'completed'$cmd$, tablename);

  IF options->>'policy' = 'short' THEN
    EXECUTE public.job_table_format($cmd$CREATE UNIQUE INDEX job_i1 ON public.job (name, COALESCE(singleton_key, '')) WHERE state = 'created' AND policy = 'short'$cmd$, tablename);
  ELSIF options->>'policy' = 'singleton' THEN
    EXECUTE public.job_table_format($cmd$CREATE UNIQUE INDEX job_i2 ON public.job (name, COALESCE(singleton_key, '')) WHERE state = 'active' AND policy = 'singleton'$cmd$, tablename);
  ELSIF options->>'policy' = 'stately' THEN
    EXECUTE public.job_table_format($cmd$CREATE UNIQUE INDEX job_i3 ON public.job (name, state, COALESCE(singleton_key, '')) WHERE state <= 'active' AND policy = 'stately'$cmd$, tablename);
  ELSIF options->>'policy' = 'exclusive' THEN
    EXECUTE public.job_table_format($cmd$CREATE UNIQUE INDEX job_i6 ON public.job (name, COALESCE(singleton_key, '')) WHERE state <= 'active' AND policy = 'exclusive'$cmd$, tablename);
  ELSIF options->>'policy' = 'key_strict_fifo' THEN
    EXECUTE public.job_table_format($cmd$CREATE UNIQUE INDEX job_i8 ON public.job (name, singleton_key) WHERE state IN ('active', 'retry', 'failed') AND policy = 'key_strict_fifo'$cmd$, tablename);
    EXECUTE public.job_table_format($cmd$CREATE INDEX job_i10 ON public.job (name, singleton_key, state DESC, created_on, id) INCLUDE (start_after) WHERE state < 'active' AND NOT blocked AND policy = 'key_strict_fifo'$cmd$, tablename);
    EXECUTE public.job_table_format($cmd$ALTER TABLE public.job ADD CONSTRAINT job_key_strict_fifo_singleton_key_check CHECK (NOT (policy = 'key_strict_fifo' AND singleton_key IS NULL))$cmd$, tablename);
  END IF;

  EXECUTE format('ALTER TABLE public.%I ADD CONSTRAINT cjc CHECK (name=%L)', tablename, queue_name);
  EXECUTE format('ALTER TABLE public.job ATTACH PARTITION public.%I FOR VALUES IN (%L)', tablename, queue_name);
END;
$$
LANGUAGE plpgsql;--> statement-breakpoint
CREATE FUNCTION public.delete_queue(queue_name text)
RETURNS VOID AS
$$
DECLARE
  v_table varchar;
  v_partition bool;
BEGIN
  
  SELECT table_name, partition
  FROM public.queue
  WHERE name = queue_name
  INTO v_table, v_partition;

  IF v_partition THEN
    EXECUTE format('DROP TABLE IF EXISTS public.%I', v_table);
  ELSE
    EXECUTE format('DELETE FROM public.%I WHERE name = %L', v_table, queue_name);
  END IF;

  DELETE FROM public.queue WHERE name = queue_name;
END;
$$
LANGUAGE plpgsql;--> statement-breakpoint
INSERT INTO public.version(version) VALUES ('40');--> statement-breakpoint
-- A job is found by its id alone, by its owner, and by being under way.
CREATE INDEX "job_common_id" ON "job_common" ("id");--> statement-breakpoint
CREATE INDEX "job_common_owner" ON "job_common" ((("data"->>'ownerId')::uuid), "id");--> statement-breakpoint
CREATE INDEX "job_common_active" ON "job_common" ("name") WHERE "state" = 'active';--> statement-breakpoint
CREATE INDEX "job_common_completed" ON "job_common" ("completed_on") WHERE "completed_on" IS NOT NULL;--> statement-breakpoint
-- What is queued, also for later and for a further attempt, wakes the processes that run jobs: when it is committed, and
-- once for each name and transaction.
CREATE FUNCTION "tenon_job_queued"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('tenon_jobs', name) FROM (SELECT DISTINCT name FROM queued WHERE state < 'active') AS names;
  RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER "tenon_job_queued" AFTER INSERT ON "job_common" REFERENCING NEW TABLE AS queued FOR EACH STATEMENT EXECUTE FUNCTION "tenon_job_queued"();--> statement-breakpoint
-- The jobs as the API shows them.
CREATE VIEW "jobs" AS SELECT
  job.id,
  job.name,
  CASE job.state WHEN 'created' THEN 'queued' WHEN 'retry' THEN 'queued' WHEN 'active' THEN 'running' WHEN 'completed' THEN 'done' ELSE job.state::text END AS state,
  jsonb_build_object('done', coalesce(progress.done, 0), 'total', progress.total) AS progress,
  CASE WHEN job.state = 'completed' THEN job.output->'value' END AS result,
  job.output->'error' AS error,
  CASE WHEN job.started_on IS NULL THEN 0 ELSE job.retry_count + 1 END AS attempts,
  (job.data->>'ownerId')::uuid AS owner_id,
  job.created_on::timestamp(3) with time zone AS created_at,
  job.started_on::timestamp(3) with time zone AS started_at,
  job.completed_on::timestamp(3) with time zone AS finished_at,
  greatest(job.created_on, job.started_on, job.completed_on, progress.updated_at)::timestamp(3) with time zone AS updated_at,
  hashtext(concat_ws(' ', job.state, job.retry_count, job.started_on, job.completed_on, job.output, progress.done, progress.total)) & 2147483647 AS version
FROM job_common AS job LEFT JOIN job_progress AS progress ON progress.job_id = job.id;
