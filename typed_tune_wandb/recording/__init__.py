"""Recording: all W&B runs of an experiment, in a process of their own.

``client`` is the recorder that Tune's side calls, ``state`` what is known of its runs, ``checkpoints`` what becomes of
a checkpoint. Behind it, ``_conversion`` makes values that the worker can read, ``_replay`` holds the commands that are
not on disk yet, ``_sender`` writes them to the worker, ``_events`` applies what the worker answers, ``_supervisor``
replaces a worker that is gone, and ``_watchdog`` tells when it hangs. ``worker/`` is that process; it shares
``_protocol``, ``_steps``, ``_media`` and ``_run_file`` with the driver.
"""
