"""The ports for executors: those that run steps, and those that hand the dag over to an orchestrator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations of options when it validates them
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from magnus.domain.nothing import NOTHING
from magnus.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from magnus.domain.capabilities import ExecutorCapabilities
    from magnus.domain.graph import Graph
    from magnus.domain.jobs import Job, JobEnd
    from magnus.domain.nodes import Node
    from magnus.domain.render_plan import RenderPlan
    from magnus.domain.run_log import CodeIdentity, Status
    from magnus.domain.verdict import Verdict


@dataclass(frozen=True, slots=True)
class CommonOptions:
    """What every executor's options have; adapters extend it.

    Attributes:
        enable_parallel: Whether branches and map items run at the same time.
        placeholders: What a key of a node's `executor_config` without a value stands for.
    """

    enable_parallel: bool = False
    placeholders: Mapping[str, Any] = field(default_factory=dict)


class ComputeNeeds(NamedTuple):
    """What a service needs in the compute environment, as found by an integration.

    Attributes:
        mounts: Absolute host path to (path inside, whether it is read-only).
        environment: Variables that anybody may see; never a secret.
        private_files: Absolute path inside to content. Reaches the step through its stdin and lies in memory there, so that
            neither an image nor the description of a container or job shows it.
        private_environment: Variables that are handed over in the same way.
        endpoints: Host and port, as seen from inside, of every server that must answer before the first step.
        permissions: What the compute's identity must be allowed, in the words of its platform: for AWS one statement of
            an IAM policy each, as JSON.
        handover: The address of a place of the service's own that both sides read and write, where things may lie while
            they are handed over; empty if it has none.
    """

    mounts: Mapping[str, tuple[str, bool]] = NOTHING
    environment: Mapping[str, str] = NOTHING
    private_files: Mapping[str, bytes] = NOTHING
    private_environment: Mapping[str, str] = NOTHING
    endpoints: Sequence[tuple[str, int]] = ()
    permissions: Sequence[str] = ()
    handover: str = ""


class Mailbox(Protocol):
    """Where a process finds its job that nobody can speak to, seen from inside that process."""

    def read(self) -> bytes:
        """Return what `RemoteStep.message` was.

        Raises:
            ServiceError: It cannot be had.
        """

    def answer(self, data: bytes) -> None:
        """Leave *data*, which may hold secrets, for `RemoteStep.take_answer`.

        Raises:
            ServiceError: It cannot be left.
        """


class RemoteStep(Protocol):
    """One job for a process of its own, wherever that is: what to start, what to tell it, and where its output goes.

    May be used from any one thread; different jobs from different threads.
    """

    @property
    def run_id(self) -> str:
        """The run."""

    @property
    def command(self) -> tuple[str, ...]:
        """`magnus execute_single_node ...` as an argument vector; nothing in it is secret."""

    @property
    def mark(self) -> str:
        """What the process marks with what it tells us between the lines of the task; not secret."""

    @property
    def message(self) -> bytes:
        """What the process must be told. Holds secrets.

        Where it is read from stdin, that stays open until the process has ended: if it is closed before, the process
        kills itself and all that it has started, because nobody is left to stop it.
        """

    def write(self, data: bytes, stream: int) -> bool:
        """Take what the process wrote on stdout (1) or stderr (2), as it comes.

        It is shown line by line behind the step's name, secrets hidden, and kept as the step's log in case the process
        cannot do that itself.

        Returns:
            Whether the attempt has begun by now: before that, the process was only being started.
        """

    @property
    def has_begun(self) -> bool:
        """Whether the attempt has begun."""

    @property
    def refusal(self) -> str:
        """Why magnus, in that process, could not begin; empty if it did not say so."""

    @property
    def is_hurried(self) -> bool:
        """Whether the user has asked a second time to stop: what is being stopped gets no more than a second."""

    @property
    def has_told_all(self) -> bool:
        """Whether the process has said that nothing more will come from it."""

    @property
    def has_answer(self) -> bool:
        """Whether the process said that it has left an answer in its mailbox."""

    def take_answer(self, data: bytes) -> None:
        """Take what was left in the mailbox."""

    @property
    def last_words(self) -> str:
        """The last lines that the process wrote itself, for messages; secrets hidden."""

    def close(self) -> None:
        """Nothing more will come."""


class Workspace(NamedTuple):
    """The folders of one attempt on this machine.

    Attributes:
        folder: Absolute path; the working directory of the task.
        data_folder: Absolute path of the files that the catalog brings and stores.
    """

    folder: str
    data_folder: str


class StepRunner(Protocol):
    """What the core lends an executor: ways to run one attempt of a step, here or in another process."""

    def __call__(self, job: Job) -> Status:
        """Run *job* in a worker process of this machine, record it, and return how it ended.

        Its `timeout` is kept. Never raises for a failure of the step.
        """

    def start(self, job: Job) -> Status:
        """Begin *job* in a worker process of this machine, and return TRIGGERED; `wait` tells its end.

        As many worker processes work at the same time as jobs were begun and have not ended.
        """

    def wait(self, timeout_seconds: float | None) -> list[JobEnd]:
        """Return the jobs of `start` that have ended by now, or within *timeout_seconds*; none where nothing runs."""

    def stop(self) -> None:
        """End all jobs of `start` with their processes; each is recorded as failed because the run was stopped."""

    def workspace(self, job: Job) -> Workspace:
        """Return the folders of *job* on this machine; its branch has them to itself where the capabilities ask for that.

        Raises:
            ExecutionError: The data folder is none that a branch can have to itself.
        """

    def run_in_process(self, job: Job) -> Status:
        """Run *job* in this process, for a debugger; its output is neither captured nor kept, no `timeout` holds."""

    def prepare_workers(self) -> None:
        """Start the process from which workers are forked, and check that workers can import the steps' functions.

        Raises:
            ConfigurationError: A step calls a function of the running script, which cannot be imported.
        """

    def learn_secrets(self, secrets: Iterable[str]) -> None:
        """Hide from now on what a worker has been handed out."""

    def is_recorded(self, job: Job) -> bool:
        """Whether the run log holds the end of *job*, wherever it ran."""

    def tell(self, message: str) -> None:
        """Show *message* to who watches the run: one line, nothing secret."""

    def remote(
        self,
        job: Job | None,
        needs: Sequence[ComputeNeeds] = (),
        *,
        inside_compute: bool,
        address: str = "",
        shown_as: str = "",
        mark: str = "",
    ) -> RemoteStep:
        """Return what runs *job* in a process of its own.

        Args:
            job: One attempt; None for a rehearsal, which opens everything that a step needs, and ends.
            needs: What the services need there.
            inside_compute: Whether the services look as the integrations say that they do inside the compute; False for
                another process on this machine.
            address: Where the executor's `mailbox` finds the message, for a process that nobody can speak to. It also
                limits its own time, and says nothing secret on stdout. Empty for one that reads its stdin.
            shown_as: How the command names the step, where several jobs share it; empty for its own name.
            mark: That of an earlier `RemoteStep` for the same job, whose process is to be understood; empty for a new one.
        """


class Objection(NamedTuple):
    """What an executor has to say of one node, or of the whole dag.

    Attributes:
        verdict: The judgement.
        subject: What it is about: `dag`, `step`, `option`.
        name: Which of them.
        places: The nodes that it concerns.
    """

    verdict: Verdict
    subject: str
    name: str
    places: tuple[str, ...] = ()


class Executor(ABC):
    """Where the work of a step is done. The engine decides what runs next, an executor only where."""

    Options: ClassVar[type[Any]] = CommonOptions

    def __init__(self, options: Any = None) -> None:
        """Keep *options*, or the defaults. Starts nothing."""
        self.options = self.Options() if options is None else options

    @classmethod
    @abstractmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """Say what the executor can do with *options*, without touching any compute."""

    @classmethod
    def judge_graph(
        cls,
        options: Any,
        graph: Graph,
        options_of: Callable[[Node], Any],
        needs: Callable[[], Sequence[ComputeNeeds]],
    ) -> list[Objection]:
        """Say what only this executor can see in *graph*, without touching any compute; by default nothing.

        Args:
            options: As configured for all nodes.
            graph: The checked pipeline.
            options_of: Gives the options for a node.
            needs: Gives what the services need where steps run. Not to be called by who does not need it: it may read
                files.
        """
        return []

    @classmethod
    def permissions(cls, options: Any, needs: Sequence[ComputeNeeds]) -> str:
        """Return what the identity of the compute must be allowed, as its platform wants it written; empty for nothing."""
        return ""

    def close(self) -> None:  # noqa: B027 - a default, not an omission
        """Let go of everything. Called once, after the run; nothing is called after it."""


class InteractiveExecutor(Executor):
    """An executor with which magnus itself traverses the graph.

    All methods are called from one thread: the one that traverses.
    """

    @property
    def max_concurrent_jobs(self) -> int:
        """How many jobs may be triggered and not yet ended; 1 for an executor that runs steps one after another."""
        return 1

    @property
    def uses_workers(self) -> bool:
        """True for an executor that runs steps by `StepRunner.__call__` or `start`: their processes are started early."""
        return False

    @property
    def most_jobs_together(self) -> int:
        """How many jobs of one map `trigger_jobs` wants at once; 1 for one by one.

        Only for maps whose branch is a single task, without a `max_concurrency`; what has no room by `max_concurrent_jobs`
        comes later.
        """
        return 1

    @property
    def leaves_jobs(self) -> bool:
        """Whether jobs go on when a person or the system ends this process, so that `adopt` finds them later.

        `stop_jobs` is not called then, and the run log stays open.
        """
        return False

    def prepare_for_graph_execution(
        self,
        graph: Graph,
        options_of: Callable[[Node], Any],
        needs: Sequence[ComputeNeeds],
        run_here: StepRunner,
    ) -> None:
        """Get ready, after every check passed and before the first step.

        Args:
            graph: What will be traversed.
            options_of: Gives this executor's options for a node of it.
            needs: What the services need where steps run.
            run_here: Lends what `trigger_job` will be lent, for a rehearsal.

        Raises:
            ConfigurationError: Something that the user named cannot be used (an image, an address).
            ServiceError: The compute cannot be used; nothing was started.
        """

    def prepare_for_node_execution(self, job: Job) -> None:
        """Get ready inside the compute environment, before an attempt. Raises like `prepare_for_graph_execution`."""

    def add_code_identities(self, job: Job) -> list[CodeIdentity]:
        """Return the identities of the code that *job* will run, besides the project's own (git), which the core adds."""
        return []

    @abstractmethod
    def trigger_job(self, job: Job, run_here: StepRunner) -> Status:
        """Start *job* and report how far it got.

        Called again for the same job (same run, step and attempt) it must not start it twice.

        Args:
            job: One attempt at one step.
            run_here: Runs it on this machine, or lends the means to run it elsewhere.

        Returns:
            SUCCESS or FAIL if the attempt has ended, TRIGGERED if `wait_for_jobs` will tell.

        Raises:
            JobSubmissionError: The compute refused the job and nothing was started.
        """

    def trigger_jobs(self, jobs: Sequence[Job], run_here: StepRunner) -> list[Status]:
        """Start several jobs that differ only in their innermost map item, as one where the compute can.

        Called with no more than `most_jobs_together` of them, all at their first attempt; further attempts come one by one.
        Some may have been found by `adopt`, or asked for before: these are not started again. An executor that wants more
        than one job together overrides this; the default starts one after another.

        Returns:
            For each job what `trigger_job` returns for it, in the same order. If only some of them are refused, those are
            TRIGGERED too, and `wait_for_jobs` tells their ends.

        Raises:
            JobSubmissionError: The compute refused all of them and nothing was started.
        """
        return [self.trigger_job(job, run_here) for job in jobs]

    def wait_for_jobs(self, timeout_seconds: float | None) -> list[JobEnd]:
        """Wait until at least one triggered job has ended, or the time is over; return those that ended.

        A job whose state cannot be read is not still running: after retries with growing pauses it ends as FAIL.
        Executors that never return TRIGGERED need not override this.
        """
        raise NotImplementedError

    def stop_jobs(self) -> None:
        """Stop every job that is still running, with all its processes: those of `adopt` too that nobody asked for yet.

        Called when the run is interrupted or took too long; not where `leaves_jobs` lets them go on.
        """

    def reap(self, run_id: str, needs: Callable[[], Sequence[ComputeNeeds]]) -> list[str]:
        """End what a traversal of *run_id* that was killed has left running, and return one line for each.

        Called before a run is continued, and by a person; never touches what belongs to a traversal that lives.

        Args:
            run_id: The run.
            needs: Gives what the services need where steps run. Not to be called by who does not need it: it may read
                files.

        Raises:
            ServiceError: The compute cannot be asked.
        """
        return []

    def adopt(self, run_id: str, needs: Sequence[ComputeNeeds], run_here: StepRunner) -> list[str]:
        """Find the jobs that an earlier traversal of *run_id* has triggered, and return one line for each.

        Called after `prepare_for_graph_execution`, before any job is triggered. From then on `trigger_job` starts none of
        them again: it is called for each whose end is not in the run log yet, and `wait_for_jobs` tells that end, also of
        one that had ended before it was found.

        Raises:
            ConfigurationError: The executor leaves no jobs behind, or the traversal still lives.
            ServiceError: The compute cannot be asked.
        """
        message = (
            "this executor leaves no jobs behind that could be attached to; continue the run by "
            f"`magnus execute --use-cached {run_id}`"
        )
        raise ConfigurationError(message)

    @classmethod
    def mailbox(cls, address: str) -> Mailbox:
        """Return the mailbox at *address*; called inside the compute, for an executor that gave that address."""
        message = f"this executor has no mailbox at '{address}'"
        raise ConfigurationError(message)


class OrchestrationExecutor(Executor):
    """An executor that renders the graph in the language of an orchestrator, which then calls magnus for each node."""

    default_output: ClassVar[str]
    """The file that is written where the user names none."""

    @classmethod
    def judge_graph(
        cls,
        options: Any,
        graph: Graph,
        options_of: Callable[[Node], Any],
        needs: Callable[[], Sequence[ComputeNeeds]],
    ) -> list[Objection]:
        """Refuse a `max_time` of a branch: magnus keeps that of the whole run, and nobody that of a branch.

        An executor that has more to say adds it to this.
        """
        from magnus.domain.capabilities import Feature
        from magnus.domain.graph import DEFAULT_MAX_TIME_SECONDS
        from magnus.domain.verdict import Judgement, Verdict

        places = tuple(
            ".".join((*path, node.name))
            for path, node in graph.walk()
            if any(branch.max_time_seconds != DEFAULT_MAX_TIME_SECONDS for branch in node.branches.values())
        )
        if not places:
            return []
        verdict = Verdict(
            Judgement.ERROR,
            "no process lives as long as a branch, so nobody keeps its time",
            "limit the outermost graph by `max_time`, and steps by `timeout`",
        )
        return [Objection(verdict, "dag", Feature.MAX_TIME, places)]

    @abstractmethod
    def render(self, plan: RenderPlan) -> str:
        """Return the orchestrator's own definition of *plan*; equal input gives equal text.

        Every node is a call of magnus, whose exit code says what comes next: 0 after success, 1 after failure, 75 if `retry`
        allows another attempt. Then the same command is called again, which itself waits until the pause before that
        attempt is over. With any other code the run cannot go on. magnus itself keeps `timeout`, `retry`, and the `max_time`
        of the outermost graph, whether the target does so as well or not.

        Args:
            plan: The checked pipeline. What the capabilities refuse is not in it.

        Raises:
            ConfigurationError: The target cannot express something; names node, feature and target.
        """

    def put_items(self, place: str, text: str) -> None:
        """Put what a map iterates on where the target finds it; called inside the compute, by `fan --items-to PLACE`.

        Args:
            place: A URL that `render` wrote; a path never gets here.
            text: A JSON list with one string for each item: what `--map-variable` takes.

        Raises:
            ConfigurationError: This executor knows no such place, or the target takes no list of that size.
            ServiceError: It cannot be reached.
        """
        message = f"this executor cannot put items to '{place}'"
        raise ConfigurationError(message)
