-- The jobs as the API shows them. Progress is read by subqueries: rows of a view with an outer join cannot be locked.
DROP VIEW "jobs";--> statement-breakpoint
CREATE VIEW "jobs" AS SELECT
  job.id,
  coalesce(job.data->>'title', job.name) AS name,
  CASE job.state WHEN 'created' THEN 'queued' WHEN 'retry' THEN 'queued' WHEN 'active' THEN 'running' WHEN 'completed' THEN 'done' ELSE job.state::text END AS state,
  coalesce((SELECT jsonb_build_object('done', done, 'total', total) FROM job_progress WHERE job_id = job.id), '{"done": 0, "total": null}'::jsonb) AS progress,
  CASE WHEN job.state = 'completed' THEN job.output->'value' END AS result,
  job.output->'error' AS error,
  CASE WHEN job.started_on IS NULL THEN 0 ELSE job.retry_count + 1 END AS attempts,
  (job.data->>'ownerId')::uuid AS owner_id,
  job.created_on::timestamp(3) with time zone AS created_at,
  job.started_on::timestamp(3) with time zone AS started_at,
  job.completed_on::timestamp(3) with time zone AS finished_at,
  greatest(job.created_on, job.started_on, job.completed_on, (SELECT updated_at FROM job_progress WHERE job_id = job.id))::timestamp(3) with time zone AS updated_at,
  hashtext(concat_ws(' ', job.state, job.retry_count, job.started_on, job.completed_on, job.output, (SELECT concat_ws(' ', done, total) FROM job_progress WHERE job_id = job.id))) & 2147483647 AS version
FROM job_common AS job;--> statement-breakpoint
UPDATE "roles" SET "scopes" = "scopes" || ARRAY['jobs:read', 'jobs:write'] WHERE "name" = 'member' AND NOT "scopes" && ARRAY['jobs:read', 'jobs:write', 'jobs:*', '*'];
