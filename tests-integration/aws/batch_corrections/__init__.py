"""Where moto's Batch differs from the service, and how it is corrected.

moto keeps definitions, queues, compute environments and tags. Jobs are ours: `handlers` answers the requests, `scheduler`
decides what runs, `container_run` runs it, and `fake_batch` holds the rules, which the fake client shares. Each line
below is a gap, what the service does instead, and where it says so (UG: user guide, API: API reference).

- Children of an array lack `AWS_BATCH_JOB_ARRAY_INDEX`, and jobs all but `AWS_BATCH_JOB_ID`: set by the service, with
  `AWS_BATCH_JOB_ATTEMPT`, `AWS_BATCH_JQ_NAME` and `AWS_BATCH_CE_NAME` (UG, "Job environment variables").
- The parent of an array fails never, and succeeds when it is described: it is PENDING once a child is RUNNABLE, ends by
  itself after the last child, and fails if one has failed (UG, "Array jobs", "Job states").
- `arrayProperties.index` is missing; it is there for each child (API, `ArrayPropertiesDetail`).
- Terminating a parent ends nothing: it ends all children (UG, "Array jobs"; API, `CancelJob`).
- `DescribeJobs` has no exit code, no reasons and no end of an attempt: API, `ContainerDetail`, `AttemptDetail`. The texts
  are those that users of the service report.
- One attempt is made, whatever `retryStrategy` says: up to `attempts`, by the first rule of `evaluateOnExit` that fits, and
  never after a termination or a timeout (UG, "Automated job retries"; API, `EvaluateOnExit`).
- Lines are there after the end of a job: see `log_streams`.
- A container is killed at once: it gets SIGTERM, and SIGKILL 30 s later (UG, "Job timeouts"). Here that takes a few seconds.
- A timeout has no reason, and memory no limit: `Job attempt duration exceeded timeout`; a container that needs more memory
  than it has is killed (API, `JobTimeout`, `ResourceRequirement`).
- `resourceRequirements` that are overridden have no effect: they replace those of the definition (API, `ContainerOverrides`).
- Mount points need `readOnly`, and users, read-only root folders and shared memory have no effect (API, `ContainerProperties`).
- A job that waits for another is cancelled at once: it is when what it waits for has ended (API, `CancelJob`).
- N_TO_N and SEQUENTIAL wait for the whole array: each child waits for one other (UG, "Job dependencies").
- Jobs may be submitted to a disabled queue; the service refuses them, and lets those in the queue go on
  (API, `UpdateJobQueue`). For compute environments see `compute_environments`.
- `ListJobs` names jobs of every status, and children besides their parents: RUNNING ones by default, and parents only, in
  pages (API, `ListJobs`).
- What concerns definitions, resets and reading logs: see `install`.

Not corrected: multi-node and EKS jobs, `secrets` and `jobRoleArn`, fair share, GPUs. A timeout may be below the 60 s that the
service asks for, so that tests need not wait that long. An image is never pulled.
"""
