/**
 * What all layers of settings share: values with their origin, trees of keys, and the wording of
 * errors.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import type { Setting } from "./schema.ts";

/** The layer that a value came from. */
export type Source = "default" | "file" | "environment" | "command line";

/** Where a value came from. */
export interface Origin {
  readonly source: Source;
  /** `FILE:LINE`, the variable or the option; missing for a default. */
  readonly detail?: string;
}

/** The values of one layer, by setting, and what is wrong with it. */
export interface Layer {
  readonly values: ReadonlyMap<Setting, { readonly value: unknown; readonly origin: Origin }>;
  readonly problems: readonly string[];
  /** Worth knowing, but not a mistake. */
  readonly notes?: readonly string[];
}

/** A group of settings: keys and their values. */
export type Group = Record<string, unknown>;

/** Whether a value has keys. */
export const isGroup = (value: unknown): value is Group =>
  typeof value === "object" && value !== null;

/** The value at the end of `keys`, or `undefined` if one of them is missing. */
export function getAt(tree: unknown, keys: readonly string[]): unknown {
  return keys.reduce(
    (value, key) => (isGroup(value) && Object.hasOwn(value, key) ? value[key] : undefined),
    tree,
  );
}

/** Sets the value at the end of `keys`. @throws {Error} if its group is missing, which is a bug */
export function setAt(tree: Group, keys: readonly string[], value: unknown): void {
  const group = getAt(tree, keys.slice(0, -1));
  const last = keys.at(-1);
  if (!isGroup(group) || last === undefined)
    throw new Error(`There is no setting ${keys.join(".")}`);
  group[last] = value;
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EISDIR: "it is a directory",
  ELOOP: "too many symbolic links",
  ENOENT: "no such file or directory",
  ENOTDIR: "part of its path is not a directory",
};

/** The code of a system error, such as `ENOENT`. */
export const errorCode = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : String(error);

/** A system error in words. */
export const errorReason = (error: unknown): string =>
  REASONS[errorCode(error)] ?? errorCode(error);

/** Why a file cannot be read: a system error in words if there are any, else its message. */
export const readingReason = (error: unknown): string =>
  REASONS[errorCode(error)] ?? messageOf(error);

/** The end of the message about an unknown name. */
export const guess = (name: string | undefined): string =>
  name === undefined ? "" : `; did you mean ${name}?`;

/** Stands for a value that may be a secret in {@link wrongValue}. */
export const HIDDEN = "wrong";

/** The message about a value that breaks its rule. `shown` is the value as written, or `empty`. */
export const wrongValue = (name: string, shown: string, rule: string): string =>
  shown === "empty"
    ? `${name} has no value, must be ${rule}`
    : `${name} is ${shown}, must be ${rule}`;
