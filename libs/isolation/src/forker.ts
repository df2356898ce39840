/**
 * The resident shell that forks supervisors: a small process that forks in a fraction of what it takes Node, whose event loop
 * stays free meanwhile.
 *
 *   agent ──run directory, a line each──► forker ──fork──► supervisor ──fork──► the task (plan-launch)
 *
 * It has a session of its own, so a Ctrl-C at the agent's terminal reaches no task, and the supervisors hold no pipe: agent and
 * forker may die. It ends with its input. An empty line makes it collect supervisors that have ended.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Log } from '@ekiden/model';

/**
 * One supervisor. `read … </proc/self/stat` is how a forked shell learns its own pid and start time without starting a program.
 * The signals that it ignores are meant for the task; `wait` returns early when one arrives, hence the loop.
 */
const SUPERVISE = `
supervise() {
  trap : TERM INT HUP QUIT USR1 USR2
  IFS= read -r stat </proc/self/stat
  printf 'sup %s\\n' "$stat" >>"$d/run" || exit
  IFS= read -r first <"$d/run"
  [ "$first" = "sup $stat" ] || exit
  (
    why='its launch file cannot be read'
    trap 'printf "fail %s\\n" "$why" >>"$d/run"' EXIT
    IFS= read -r stat </proc/self/stat
    . "$d/launch"
  ) &
  task=$!
  while :; do
    wait "$task"
    status=$?
    [ "$status" -gt 128 ] && kill -0 "$task" 2>/dev/null || break
  done
  printf 'exit %s\\n' "$status" >>"$d/run"
}
while IFS= read -r d; do
  [ -z "$d" ] || { supervise & }
  jobs >/dev/null
done
`;

/** The script travels in the environment, so that `ps` shows a short line; it is taken out before anything is forked. */
const BOOTSTRAP = 'script=$EKIDEN_FORKER; unset EKIDEN_FORKER PWD OLDPWD; eval "$script"';

export interface Forker {
  /** Asks for the supervisor of a run directory; starts the forker if there is none. */
  request(runDir: string): void;
  /** Lets it collect supervisors that have ended. */
  collect(): void;
  close(): void;
}

/** `died` is told when the forker ends by itself: what was asked of it may or may not have been done. */
export function createForker(shell: string, log: Log, died: () => void): Forker {
  let child: ChildProcess | null = null;

  const lost = (which: ChildProcess, why: string): void => {
    if (child !== which) return;
    child = null;
    log.warn('forker-lost', { why });
    died();
  };

  const start = (): ChildProcess => {
    const started = spawn(shell, ['-c', BOOTSTRAP, 'ekiden-forker'], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { EKIDEN_FORKER: SUPERVISE },
    });
    started.on('error', (error) => lost(started, error.message));
    started.on('exit', (code, signal) => lost(started, `it ended with ${signal ?? code}`));
    started.stdin?.on('error', (error) => lost(started, error.message));
    started.unref();
    child = started;
    return started;
  };

  return {
    request: (runDir) => void (child ?? start()).stdin?.write(`${runDir}\n`),
    collect: () => void child?.stdin?.write('\n'),
    close() {
      const closing = child;
      child = null;
      closing?.stdin?.end();
    },
  };
}
