/**
 * Digests of artifacts on a plain Mesos, whose fetcher knows none: the command looks at the files before it does anything else.
 *
 * Ekiden's own agents check while they fetch, before anything is unpacked. Here the archive was unpacked already, but nothing of it
 * has run: the task ends with status 1, and its stderr names the file. Pure.
 */
import type { AppSpec, Artifact, Command } from '@ekiden/model';

/** The same app, whose command fails when a file is not what its `sha256` says. */
export function withDigestChecks(spec: AppSpec): AppSpec {
  const checks = spec.fetch.flatMap((artifact) => (artifact.sha256 === null ? [] : [checkOf(artifact, artifact.sha256)]));
  return checks.length === 0 ? spec : { ...spec, command: checked(spec.command, checks.join(' && ')) };
}

function checked(command: Command, check: string): Command {
  const complaint = '{ echo "not started: a fetched file has another sha256 than the app says" >&2; exit 1; }';
  if (command.kind === 'shell') return { kind: 'shell', line: `${check} || ${complaint}\n${command.line}` };
  return { kind: 'argv', argv: ['/bin/sh', '-c', `${check} || ${complaint}\nexec "$@"`, 'sh', ...command.argv] };
}

/** `sha256sum` reads `DIGEST  FILE` lines; a name with a line break or a backslash has a form of its own, which no honest file needs. */
const checkOf = (artifact: Artifact, digest: string): string => `printf '%s  %s\\n' ${digest} ${quoted(`./${fileOf(artifact)}`)} | sha256sum -c - >&2`;

/** Where Mesos puts it: `output_file`, or the last part of the URI as it stands. */
const fileOf = ({ uri, destPath }: Artifact): string => destPath ?? uri.slice(uri.lastIndexOf('/') + 1);

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
