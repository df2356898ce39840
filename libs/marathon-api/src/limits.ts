/** The named bounds of an app definition: what is above is refused with 422, never cut. */

/** The kernel takes at most 128 KiB for one argument or one `KEY=value`, the closing zero byte included (MAX_ARG_STRLEN). */
export const MAX_ARGUMENT_BYTES = 131_072;
/** Entries of any list or map of a definition: constraints, ports, env, labels, fetch, dependencies. */
export const MAX_LIST_ENTRIES = 1_000;
/** Characters of a label's value, a path, a user name or any other free text. */
export const MAX_TEXT_LENGTH = 131_072;
/** Levels of objects and lists in a body. */
export const MAX_DEPTH = 32;
export const MAX_INSTANCES = 100_000;
export const MAX_CPUS = 1_000_000;
/** One pebibyte, in MiB. */
export const MAX_MIB = 1_073_741_824;
/** Seconds are 32-bit in Marathon's own types. */
export const MAX_SECONDS = 2_147_483_647;
export const MAX_BACKOFF_FACTOR = 1_000;
/** Apps in one bulk request. */
export const MAX_APPS_PER_REQUEST = 1_000;
/** Checks closer together than this would only load the agent; shorter intervals are stored as given and run at this one. */
export const MIN_CHECK_INTERVAL_MS = 1_000;
/** Linux has no higher pid. */
export const MAX_PIDS = 4_194_304;
/** Linux's own bound (fs.nr_open) where nobody raised it. */
export const MAX_OPEN_FILES = 1_048_576;
