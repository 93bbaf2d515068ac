"""Kinds of process state: `change_KIND` changes it, as libraries and scripts do; `look_KIND` returns what a step finds."""

import asyncio
import atexit
import builtins
import codecs
import contextvars
import copyreg
import csv
import decimal
import email
import faulthandler
import functools
import gc
import io
import json
import locale
import logging
import math
import multiprocessing
import os
import pathlib
import random
import resource
import signal
import socket
import ssl
import string
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
import types
import urllib.request
import warnings

MARK = "WORKED_FOR_TEST"
HERE = os.path.dirname(os.path.abspath(__file__))


def nothing(*_, **__):
    return None


def running(program):
    """Return how many processes of this test run *program*."""
    wanted = f"{MARK}={os.environ.get(MARK)}".encode()
    found = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                is_ours = wanted in file.read().split(b"\0")
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                found += is_ours and program.encode() in file.read().split(b"\0")
        except OSError:
            pass
    return found


def said_by_child(work):
    """Return what *work* writes in a forked child."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work(writer)
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        said = file.read()
    os.waitpid(pid, 0)
    return said.decode()


# Environment and file system

def change_variable_set():
    os.environ["OF_STEP_ONE"] = "yes"

def look_variable_set():
    return os.environ.get("OF_STEP_ONE")


def change_variable_removed():
    os.environ.pop("PATH")

def look_variable_removed():
    return "PATH" in os.environ


def change_variable_in_c():
    os.putenv("OF_C", "yes")

def look_variable_in_c():
    return "OF_C" in subprocess.run(["/usr/bin/env"], capture_output=True, text=True).stdout


def change_variable_removed_in_c():
    os.unsetenv("NO_COLOR")

def look_variable_removed_in_c():
    return "NO_COLOR" in subprocess.run(["/usr/bin/env"], capture_output=True, text=True).stdout


def change_environ_replaced():
    os.environ = {"OF_STEP_ONE": "only"}

def look_environ_replaced():
    return type(os.environ).__name__


def change_cwd():
    os.chdir("/")

def look_cwd():
    return os.path.exists("kinds.py")


def change_cwd_removed():
    os.chdir(tempfile.mkdtemp())
    os.rmdir(os.getcwd())

def look_cwd_removed():
    return os.path.exists("kinds.py")


def change_umask():
    os.umask(0o077)

def look_umask():
    now = os.umask(0)
    os.umask(now)
    return now


def change_time_zone():
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()

def look_time_zone():
    return [os.environ.get("TZ"), time.strftime("%Z", time.localtime(0)), list(time.tzname)]


def change_time_zone_unset_before_end():
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()
    del os.environ["TZ"]

look_time_zone_unset_before_end = look_time_zone


def change_temporary_folder():
    tempfile.tempdir = "/nowhere"

def look_temporary_folder():
    return os.path.exists(tempfile.gettempdir())


# Signals and timers

def change_sigterm():
    signal.signal(signal.SIGTERM, nothing)

def look_sigterm():
    return str(signal.getsignal(signal.SIGTERM))


def change_sigint():
    signal.signal(signal.SIGINT, signal.SIG_IGN)

def look_sigint():
    return str(signal.getsignal(signal.SIGINT)).split(" at ")[0]


def change_sigusr1():
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)

def look_sigusr1():
    return str(signal.getsignal(signal.SIGUSR1))


def change_sigchld():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)

def look_sigchld():
    return str(signal.getsignal(signal.SIGCHLD))


def change_sigpipe():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)

def look_sigpipe():
    return str(signal.getsignal(signal.SIGPIPE))


def change_real_time_signal():
    signal.signal(signal.SIGRTMIN, nothing)

def look_real_time_signal():
    return str(signal.getsignal(signal.SIGRTMIN))


def change_alarm():
    signal.signal(signal.SIGALRM, nothing)
    signal.alarm(1000)

def look_alarm():
    return [str(signal.getsignal(signal.SIGALRM)), signal.alarm(0)]


def change_virtual_timer():
    signal.signal(signal.SIGVTALRM, nothing)
    signal.setitimer(signal.ITIMER_VIRTUAL, 1000)

def look_virtual_timer():
    return list(signal.getitimer(signal.ITIMER_VIRTUAL))


def change_blocked_signals():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR2})

def look_blocked_signals():
    return sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def change_wakeup_descriptor():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)

def look_wakeup_descriptor():
    found = signal.set_wakeup_fd(-1)
    return found


# The process as the kernel sees it

def change_soft_limit():
    resource.setrlimit(resource.RLIMIT_NOFILE, (99, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

def look_soft_limit():
    return resource.getrlimit(resource.RLIMIT_NOFILE)


def change_core_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (1 if soft == 0 and hard != 0 else 0, hard))

def look_core_limit():
    return resource.getrlimit(resource.RLIMIT_CORE)


def change_priority():
    os.nice(3)

def look_priority():
    return os.nice(0)


def change_cores():
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})

def look_cores():
    return len(os.sched_getaffinity(0))


def change_descriptors():
    change_descriptors.kept = os.open("/dev/full", os.O_RDONLY)

def look_descriptors():
    targets = []
    for name in os.listdir("/proc/self/fd"):
        try:
            targets.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            pass
    return "/dev/full" in targets


def change_descriptor_redirected():
    os.dup2(os.open("/dev/full", os.O_WRONLY | os.O_CLOEXEC), 1)

def look_descriptor_redirected():
    return os.readlink("/proc/self/fd/1") == "/dev/full"


def change_descriptor_closed():
    os.close(2)

def look_descriptor_closed():
    return os.path.exists("/proc/self/fd/2")


def change_stdin_descriptor():
    os.dup2(os.open(__file__, os.O_RDONLY | os.O_CLOEXEC), 0)

def look_stdin_descriptor():
    return len(os.read(0, 10))


def change_child():
    change_child.kept = subprocess.Popen(["sleep", "301.25"])

def look_child():
    return running("301.25")


def change_child_forked():
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "302.25"])
    while not running("302.25"):
        time.sleep(0.01)

def look_child_forked():
    return running("302.25")


def change_child_in_session():
    subprocess.Popen(["sleep", "303.25"], start_new_session=True)

def look_child_in_session():
    return running("303.25")


def change_daemon():
    if (pid := os.fork()) == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (1, 2):
                os.dup2(os.open("/dev/null", os.O_WRONLY), number)
            os.execvp("sleep", ["sleep", "304.25"])
        os._exit(0)
    os.waitpid(pid, 0)
    while not running("304.25"):
        time.sleep(0.01)

def look_daemon():
    return running("304.25")


def change_stubborn_daemon():
    command = "trap '' TERM INT HUP; sleep 305.25 & wait; sleep 305.25"
    subprocess.run(["sh", "-c", f"setsid sh -c \"{command}\" >/dev/null 2>&1 &"])
    while not running("305.25"):
        time.sleep(0.01)

def look_stubborn_daemon():
    return running("305.25")


def change_pool():
    change_pool.kept = multiprocessing.get_context("fork").Pool(1)

def look_pool():
    return len(multiprocessing.active_children())


# Threads and what runs later

def change_thread():
    threading.Thread(target=time.sleep, args=(300,), name="left").start()

def look_thread():
    return [each.name for each in threading.enumerate()]


def change_daemon_thread():
    threading.Thread(target=time.sleep, args=(300,), name="left", daemon=True).start()

look_daemon_thread = look_thread


def change_thread_timer():
    threading.Timer(300, nothing).start()

look_thread_timer = look_thread


def change_raw_thread():
    import _thread
    before = _thread._count()
    _thread.start_new_thread(time.sleep, (300,))
    while _thread._count() == before:
        time.sleep(0.01)

def look_raw_thread():
    import _thread
    return _thread._count()


def change_thread_name():
    threading.current_thread().name = "renamed"

look_thread_name = look_thread


def change_stack_size():
    threading.stack_size(1 << 20)

def look_stack_size():
    return threading.stack_size()


def leave_word():
    os.write(leave_word.descriptor, b"called")

def change_exit_handler():
    leave_word.descriptor = os.open("/dev/null", os.O_WRONLY)
    atexit.register(leave_word)

def look_exit_handler():
    def work(writer):
        leave_word.descriptor = writer
        atexit._run_exitfuncs()
    return said_by_child(work)


def after_fork():
    global FORKED
    FORKED = True

FORKED = False

def change_fork_handler():
    os.register_at_fork(after_in_child=after_fork)

def look_fork_handler():
    return said_by_child(lambda writer: os.write(writer, str(FORKED).encode()))


def change_loop_policy():
    class Policy(asyncio.DefaultEventLoopPolicy):
        pass
    with warnings.catch_warnings(action="ignore"):
        asyncio.set_event_loop_policy(Policy())

def look_loop_policy():
    with warnings.catch_warnings(action="ignore"):
        return type(asyncio.get_event_loop_policy()).__qualname__


def change_event_loop():
    change_event_loop.loop = asyncio.new_event_loop()
    asyncio.set_event_loop(change_event_loop.loop)

def look_event_loop():
    with warnings.catch_warnings(action="ignore"):
        local = getattr(asyncio.get_event_loop_policy(), "_local", None)
    return type(getattr(local, "_loop", None)).__name__


def change_start_method():
    multiprocessing.set_start_method("spawn")

def look_start_method():
    return multiprocessing.get_start_method(allow_none=True)


def change_process_name():
    multiprocessing.current_process().name = "renamed"

def look_process_name():
    return multiprocessing.current_process().name


# The interpreter

def change_search_path():
    sys.path.insert(0, "/of/step/one")

def look_search_path():
    return "/of/step/one" in sys.path


def change_search_path_replaced():
    sys.path = ["/of/step/one", *sys.path]

look_search_path_replaced = look_search_path


def change_arguments():
    sys.argv.append("--of-step-one")

def look_arguments():
    return "--of-step-one" in sys.argv


def change_arguments_replaced():
    sys.argv = ["--of-step-one"]

look_arguments_replaced = look_arguments


def change_main_module():
    sys.modules["__main__"].of_step_one = 1

def look_main_module():
    return hasattr(sys.modules["__main__"], "of_step_one")


def change_recursion_limit():
    sys.setrecursionlimit(200)

def look_recursion_limit():
    return sys.getrecursionlimit()


def change_switch_interval():
    sys.setswitchinterval(0.5)

def look_switch_interval():
    return sys.getswitchinterval()


def change_digits_of_integers():
    sys.set_int_max_str_digits(0)

def look_digits_of_integers():
    return sys.get_int_max_str_digits()


def change_load_flags():
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)

def look_load_flags():
    return sys.getdlopenflags()


def change_stdout():
    sys.stdout = io.StringIO()

def look_stdout():
    return type(sys.stdout).__name__


def change_stderr_closed():
    sys.stderr.close()

def look_stderr_closed():
    return sys.stderr.closed


def change_stdout_settings():
    sys.stdout.reconfigure(errors="ignore", newline="\r\n")

def look_stdout_settings():
    return sys.stdout.errors == "ignore"


def change_stdin():
    sys.stdin = io.StringIO("answer")

def look_stdin():
    return sys.stdin.read()


def change_except_hook():
    sys.excepthook = nothing

def look_except_hook():
    return sys.excepthook is sys.__excepthook__


def change_display_hook():
    sys.displayhook = nothing

def look_display_hook():
    return sys.displayhook is sys.__displayhook__


def change_unraisable_hook():
    sys.unraisablehook = nothing

def look_unraisable_hook():
    return sys.unraisablehook is sys.__unraisablehook__


def change_breakpoint_hook():
    sys.breakpointhook = nothing

def look_breakpoint_hook():
    return sys.breakpointhook is sys.__breakpointhook__


def change_thread_hook():
    threading.excepthook = nothing

def look_thread_hook():
    return threading.excepthook is threading.__excepthook__


def change_trace():
    sys.settrace(nothing)

def look_trace():
    return sys.gettrace() is not None


def change_profile():
    sys.setprofile(nothing)

def look_profile():
    return sys.getprofile() is not None


def change_trace_of_threads():
    threading.settrace(nothing)
    threading.setprofile(nothing)

def look_trace_of_threads():
    return [threading.gettrace() is not None, threading.getprofile() is not None]


def change_async_hooks():
    sys.set_asyncgen_hooks(firstiter=nothing)
    sys.set_coroutine_origin_tracking_depth(3)

def look_async_hooks():
    return [sys.get_asyncgen_hooks().firstiter is not None, sys.get_coroutine_origin_tracking_depth()]


def change_collector_disabled():
    gc.disable()

def look_collector_disabled():
    return gc.isenabled()


def change_collector_thresholds():
    gc.set_threshold(7, 8, 9)

def look_collector_thresholds():
    return gc.get_threshold() == (7, 8, 9)


def change_collector_debug():
    gc.callbacks.append(nothing)
    gc.set_debug(gc.DEBUG_UNCOLLECTABLE)

def look_collector_debug():
    return [len(gc.callbacks), gc.get_debug()]


def change_fault_handler():
    faulthandler.enable(file=sys.__stderr__)
    faulthandler.dump_traceback_later(1000)

def look_fault_handler():
    return faulthandler.is_enabled()


def change_trace_of_memory():
    tracemalloc.start()

def look_trace_of_memory():
    return tracemalloc.is_tracing()


def change_written_bytecode():
    sys.dont_write_bytecode = not sys.dont_write_bytecode

def look_written_bytecode():
    return sys.dont_write_bytecode


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None

def change_import_hooks():
    sys.meta_path.insert(0, Finder)
    sys.path_hooks.insert(0, Finder)

def look_import_hooks():
    return [Finder in sys.meta_path, Finder in sys.path_hooks]


def change_importer_cache():
    sys.path_importer_cache[HERE] = Finder

def look_importer_cache():
    return Finder in sys.path_importer_cache.values()


def change_module_removed():
    del sys.modules["string"]

def look_module_removed():
    return sys.modules.get("string") is string


def change_module_replaced():
    sys.modules["json"] = types.ModuleType("json")

def look_module_replaced():
    return hasattr(sys.modules["json"], "dumps")


def change_module_made_up():
    sys.modules["torch_like"] = types.ModuleType("torch_like")

def look_module_made_up():
    return "torch_like" in sys.modules


def change_module_blocked():
    sys.modules["wave"] = None

def look_module_blocked():
    return sys.modules.get("wave", "absent") is not None


def change_locale():
    locale.setlocale(locale.LC_ALL, "C.UTF-8" if locale.setlocale(locale.LC_ALL) != "C.UTF-8" else "C")

def look_locale():
    return locale.setlocale(locale.LC_ALL)


def change_context_variable():
    VARIABLE.set("of step one")

VARIABLE = contextvars.ContextVar("VARIABLE", default="default")

def look_context_variable():
    return VARIABLE.get()


def change_builtin_removed():
    builtins.print = None

def look_builtin_removed():
    return callable(print)


def change_builtin_wrapped():
    builtins.open = functools.partial(open)

def look_builtin_wrapped():
    return type(builtins.open).__name__


def change_builtin_added():
    builtins.profile = nothing

def look_builtin_added():
    return hasattr(builtins, "profile")


# Logging and warnings

def change_log_level():
    logging.getLogger().setLevel(logging.DEBUG)

def look_log_level():
    return logging.getLogger().level


def change_log_handler():
    logging.basicConfig(force=True)

def look_log_handler():
    return len(logging.getLogger().handlers)


def change_log_disabled():
    logging.disable(logging.CRITICAL)

def look_log_disabled():
    return logging.root.manager.disable


def change_log_of_module():
    logging.getLogger("of.step.one").setLevel(logging.ERROR)
    logging.getLogger("of.step.one").addHandler(logging.NullHandler())

def look_log_of_module():
    logger = logging.root.manager.loggerDict.get("of.step.one")
    return [getattr(logger, "level", 0), len(getattr(logger, "handlers", ()))]


def change_log_filter():
    logging.getLogger("of.step.one").addFilter(lambda record: False)

def look_log_filter():
    return len(logging.getLogger("of.step.one").filters)


class OwnLogger(logging.Logger):
    pass

def change_log_class():
    logging.setLoggerClass(OwnLogger)

def look_log_class():
    return logging.getLoggerClass().__name__


def change_log_records():
    logging.setLogRecordFactory(lambda *args, **kwargs: logging.LogRecord(*args, **kwargs))

def look_log_records():
    return logging.getLogRecordFactory() is logging.LogRecord


def change_log_level_name():
    logging.addLevelName(logging.INFO, "information")

def look_log_level_name():
    return logging.getLevelName(logging.INFO)


def change_log_warnings():
    logging.captureWarnings(True)

def look_log_warnings():
    return warnings.showwarning.__module__


def change_log_of_last_resort():
    logging.lastResort = None

def look_log_of_last_resort():
    return logging.lastResort is not None


def change_warning_filters():
    warnings.simplefilter("error")

def look_warning_filters():
    return warnings.filters[0][0] == "error"


def change_warning_seen():
    warnings.warn("only once a process", stacklevel=1)

def look_warning_seen():
    return "__warningregistry__" in globals()


def change_warnings_shown():
    warnings.showwarning = nothing

def look_warnings_shown():
    return warnings.showwarning is nothing


# Numbers

def change_decimal_context():
    decimal.getcontext().prec = 5
    decimal.getcontext().traps[decimal.Inexact] = True

def look_decimal_context():
    context = decimal.getcontext()
    return [context.prec, context.traps[decimal.Inexact], context.traps[decimal.DivisionByZero]]


def change_decimal_default():
    decimal.DefaultContext.prec = 5

def look_decimal_default():
    return decimal.DefaultContext.prec


def change_random():
    random.seed(5)

def look_random():
    return random.random() == random.Random(5).random()


def change_numpy_random():
    import numpy
    numpy.random.seed(5)

def look_numpy_random():
    import numpy
    return bool(numpy.random.random() == numpy.random.RandomState(5).random())


def change_numpy_errors():
    import numpy
    numpy.seterr(all="raise")

def look_numpy_errors():
    import numpy
    return numpy.geterr()["divide"]


def change_numpy_printing():
    import numpy
    numpy.set_printoptions(precision=2, suppress=True)

def look_numpy_printing():
    import numpy
    return numpy.get_printoptions()["precision"]


# Modules of the standard library

def change_function_patched():
    json.dumps = None

def look_function_patched():
    return callable(json.dumps)


def change_function_of_time():
    time.sleep = nothing

def look_function_of_time():
    return time.sleep is nothing


def change_function_of_os():
    os.getcwd = lambda: "/of/step/one"

def look_function_of_os():
    return os.getcwd() == "/of/step/one"


def change_float_patched():
    math.pi = 3

def look_float_patched():
    return math.pi


def change_text_patched():
    string.digits = "01"

def look_text_patched():
    return string.digits


def change_attribute_added():
    json.dumps_quickly = nothing

def look_attribute_added():
    return hasattr(json, "dumps_quickly")


def change_attribute_removed():
    del json.loads

def look_attribute_removed():
    return hasattr(json, "loads")


def change_private_function():
    ssl._create_default_https_context = ssl._create_unverified_context

def look_private_function():
    return ssl._create_default_https_context is ssl._create_unverified_context


def change_method_patched():
    json.JSONEncoder.default = lambda self, value: str(value)

def look_method_patched():
    try:
        return json.JSONEncoder().encode(object())[:9]
    except TypeError:
        return "TypeError"


def change_method_of_path():
    pathlib.Path.read_text = nothing

def look_method_of_path():
    return pathlib.Path.read_text is nothing


def change_function_default():
    tempfile.mkdtemp.__defaults__ = (None, "of_step_one", None)

def look_function_default():
    return tempfile.mkdtemp.__defaults__


def change_socket_timeout():
    socket.setdefaulttimeout(3)

def look_socket_timeout():
    return socket.getdefaulttimeout()


def change_url_opener():
    urllib.request.install_opener(urllib.request.OpenerDirector())

def look_url_opener():
    return urllib.request._opener is None


def change_csv():
    csv.field_size_limit(10)
    csv.register_dialect("of step one", delimiter=";")

def look_csv():
    return [csv.field_size_limit(), csv.list_dialects()]


def change_error_handler():
    codecs.register_error("of_step_one", lambda error: ("", error.end))

def look_error_handler():
    try:
        codecs.lookup_error("of_step_one")
    except LookupError:
        return False
    return True


def change_codec():
    codecs.register(find_codec)

def find_codec(name):
    return codecs.lookup("utf-8") if name == "of_step_one" else None

def look_codec():
    try:
        codecs.lookup("of_step_one")
    except LookupError:
        return False
    return True


def change_pickling():
    copyreg.pickle(types.SimpleNamespace, lambda value: (types.SimpleNamespace, ()))

def look_pickling():
    return types.SimpleNamespace in copyreg.dispatch_table


def audit(event, _):
    if event == "of step one":
        raise RuntimeError

def change_audit_hook():
    sys.addaudithook(audit)

def look_audit_hook():
    try:
        sys.audit("of step one")
    except RuntimeError:
        return True
    return False


# The user's own modules

COUNTER = 0
HISTORY = []
SETTINGS = {"deep": {"values": [1]}}
MODEL = types.SimpleNamespace(trained=False)
LOCK = threading.Lock()
BUFFER = bytearray(3)


class Config:
    rate = 1


@functools.lru_cache
def expensive(number):
    return number


def helper():
    return "mine"


def change_counter():
    global COUNTER
    COUNTER += 1

def look_counter():
    return COUNTER


def change_own_function():
    global helper
    helper = nothing

def look_own_function():
    return helper()


def change_own_list():
    HISTORY.append(1)

def look_own_list():
    return HISTORY


def change_own_nested():
    SETTINGS["deep"]["values"].append(2)

def look_own_nested():
    return SETTINGS


def change_own_class():
    Config.rate = 2

def look_own_class():
    return Config.rate


def change_own_instance():
    MODEL.trained = True

def look_own_instance():
    return MODEL.trained


def change_own_function_attribute():
    helper.calls = 1

def look_own_function_attribute():
    return getattr(helper, "calls", 0)


def change_own_cache():
    expensive(1)

def look_own_cache():
    return expensive.cache_info().currsize


def change_own_lock():
    LOCK.acquire()

def look_own_lock():
    return LOCK.locked()


def change_own_buffer():
    BUFFER[0] = 1

def look_own_buffer():
    return list(BUFFER)


# Last: whatever comes after it would fail as well

def change_user():
    os.seteuid(65534)

def look_user():
    return os.geteuid()


def names():
    """Return every kind that this machine can show, in the order of this file."""
    found = [name.removeprefix("change_") for name in globals() if name.startswith("change_")]
    impossible = set()
    if os.geteuid() != 0:
        impossible.add("user")
    if len(os.sched_getaffinity(0)) == 1:
        impossible.add("cores")
    try:
        import numpy  # noqa: F401
    except ImportError:
        impossible |= {"numpy_random", "numpy_errors", "numpy_printing"}
    return [name for name in found if name not in impossible]


# How the tests call them

def change(kind: str):
    globals()[f"change_{kind}"]()


def look(kind: str):
    found = globals()[f"look_{kind}"]()
    return {"found": (json.dumps if callable(json.dumps) else repr)(found)}


def in_one_process(kind, *, changed):
    """Return what `look` finds in a process of its own, after `change` or without."""
    def work(writer):
        if changed:
            change(kind)
        found = globals()[f"look_{kind}"]()
        os.write(writer, encode(found).encode())
    encode = json.JSONEncoder().encode
    return said_by_child(work)


if __name__ == "__main__":
    import kinds

    answers = {}
    for name in kinds.names():
        answers[name] = [kinds.in_one_process(name, changed=False), kinds.in_one_process(name, changed=True)]
    with open("fresh.json", "w") as file:
        json.dump(answers, file)
