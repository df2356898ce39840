/** Attributes by which our agents say what they cannot run, so that no framework has to try. A master that is not ours has agents without them. */

/** `oci`, or `no: ` and why. */
export const IMAGES_ATTRIBUTE = 'ekiden-images';
/** Names of networks that tasks can have of their own, with commas between them; or `no: ` and why. */
export const NETWORKS_ATTRIBUTE = 'ekiden-networks';
/** Names of `ABILITIES`, with commas between them. Absent: all are given. */
export const LACKS_ATTRIBUTE = 'ekiden-lacks';
