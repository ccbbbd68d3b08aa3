/**
 * Bounds that several rooms share.
 *
 * @module
 */

/** Maximum writers of one hub. */
export const WRITERS_MAX = 64;
