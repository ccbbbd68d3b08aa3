/**
 * The state of replication, as the main thread knows it from the replicator.
 *
 * @module
 */

import { counted, duration, size } from "../log/amounts.ts";
import type { ReplicationState } from "../shared/replication-state.ts";

/** How long it counts that cameras were answered `ERROR`, in milliseconds. */
const REFUSED_MS_MAX = 60_000;

/** How old the oldest image that waits may be without a notice, in milliseconds. */
const LAG_MS_MAX = 60_000;

/** The replication of one hub. */
export class Replication {
  /** undefined without a bucket, and until the replicator has begun. */
  state: ReplicationState | undefined;
  /** With `ack: replicated`: why something was not in the bucket in time, and when last. */
  private refusal: { readonly reason: string; readonly atMs: number } | undefined;

  /** Something was not in the bucket in time, so a camera was answered `ERROR`. */
  refused(reason: string): void {
    this.refusal = { reason, atMs: performance.now() };
  }

  /** What a person should know; undefined if all is well. */
  get notice(): string | undefined {
    const { state, refusal } = this;
    const facts: string[] = [];
    const isRefusing = refusal !== undefined && performance.now() - refusal.atMs < REFUSED_MS_MAX;
    if (isRefusing)
      facts.push(`cameras are answered ERROR, as the bucket has it too late (${refusal.reason})`);
    if (state !== undefined) facts.push(...factsOf(state, isRefusing));
    return facts.length === 0 ? undefined : `Replication: ${facts.join("; ")}`;
  }
}

/** @param isToldWhy whether a person is told by other words that the store is away */
function factsOf(state: ReplicationState, isToldWhy: boolean): string[] {
  const { oldest_waiting: oldest, differences } = state;
  const facts: string[] = [];
  const ageMs = oldest === null ? 0 : Date.now() - Date.parse(oldest);
  if (ageMs > LAG_MS_MAX) facts.push(waitingIn(state, Date.now()));
  if (differences > 0)
    facts.push(`the bucket has ${counted(differences, "file")} with another content, see the log`);
  const reason = state.connected_since === null ? state.last_error?.message : undefined;
  if (reason !== undefined && !isToldWhy) facts.push(reason);
  return facts;
}

/** What waits, in words. @param nowMs since 1970 */
export function waitingIn(
  { waiting_images: images, waiting_bytes: bytes, oldest_waiting: oldest }: ReplicationState,
  nowMs: number,
): string {
  if (images === 0) return "none waiting";
  const age = oldest === null ? 0 : Math.max(0, Math.round((nowMs - Date.parse(oldest)) / 1000));
  return `${counted(images, "image")} (${size(bytes)}) waiting, the oldest for ${duration(age)}`;
}
