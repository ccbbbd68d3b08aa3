/**
 * Who is told what is stored, and how they do; and how the copy in a bucket does.
 *
 * @module
 */

import type { OutletState } from "../shared/outlet-state.ts";
import type { ReplicationState } from "../shared/replication-state.ts";
import { counted, grouped, size } from "./amounts.ts";
import type { Status } from "./answers.ts";
import { span } from "./time.ts";

/** A line for each of them; nothing if there is none. */
export function Outlets({ status: { outlets = [], time } }: { readonly status: Status }) {
  if (outlets.length === 0) return null;
  return (
    <section class="outlets">
      <h2>Told to</h2>
      <ul>
        {outlets.map((outlet) => (
          <li key={outlet.name} class={outlet.connected_since === null ? "away" : ""}>
            <strong>{outlet.name}</strong> <span class="muted">{outlet.target}</span>
            <br />
            {inWords(outlet, time)}
            <LastError error={outlet.last_error} time={time} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function inWords({ connected_since: since, ...outlet }: OutletState, time: string): string {
  const { sent, dropped, waiting, subscribers } = outlet;
  return [
    since === null ? "not connected" : `connected for ${ago(since, time)}`,
    ...(subscribers === null ? [] : [counted(subscribers, "subscriber")]),
    `${grouped(sent)} sent`,
    ...(waiting > 0 ? [`${grouped(waiting)} waiting`] : []),
    ...(dropped > 0 ? [`${grouped(dropped)} dropped`] : []),
  ].join(" · ");
}

/** How the copy in a bucket does; nothing if there is none. */
export function Replicated({ status: { replication, time } }: { readonly status: Status }) {
  if (replication === undefined || replication === null) return null;
  return (
    <section class="outlets">
      <h2>Replicated</h2>
      <ul>
        <li class={replication.connected_since === null ? "away" : ""}>
          <strong>to</strong> <span class="muted">{replication.target}</span>
          <br />
          {copyInWords(replication, time)}
          <LastError error={replication.last_error} time={time} />
        </li>
      </ul>
    </section>
  );
}

function copyInWords(copy: ReplicationState, time: string): string {
  const { connected_since: since, oldest_waiting: oldest } = copy;
  return [
    since === null ? "not connected" : `connected for ${ago(since, time)}`,
    `${counted(copy.images, "image")} copied`,
    `${grouped(copy.waiting_images)} waiting (${size(copy.waiting_bytes)})`,
    ...(oldest === null ? [] : [`the oldest for ${ago(oldest, time)}`]),
    ...(copy.differences > 0 ? [`${grouped(copy.differences)} differ`] : []),
  ].join(" · ");
}

function LastError({
  error,
  time,
}: {
  readonly error: OutletState["last_error"];
  readonly time: string;
}) {
  if (error === null) return null;
  return (
    <p class="muted">
      {error.message} ({ago(error.time, time)} ago)
    </p>
  );
}

function ago(then: string, now: string): string {
  return span(Date.parse(now) - Date.parse(then));
}
