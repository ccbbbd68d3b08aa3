/**
 * Who is told what is stored, and how they do.
 *
 * @module
 */

import type { OutletState } from "../shared/outlet-state.ts";
import { counted, grouped } from "./amounts.ts";
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
            <LastError outlet={outlet} time={time} />
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

function LastError({ outlet, time }: { readonly outlet: OutletState; readonly time: string }) {
  const { last_error: error } = outlet;
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
