/**
 * `imagehub status`: shows the health of a hub, here or elsewhere, and its nodes.
 *
 * @module
 */

import { EXIT, type ExitStatus, FatalError } from "../errors.ts";
import type { Settings } from "../config/schema.ts";
import { OFF } from "../net/listen-address.ts";
import { waitingIn } from "../http/replication.ts";
import { statesOf } from "../http/silence.ts";
import { type Status, statusSchema } from "../http/status.ts";
import { escape } from "../log/fields.ts";
import {
  type HubOptions,
  ownTarget,
  request,
  type Target,
  targetOf,
  unanswered,
} from "./hub-target.ts";
import { counted, duration, grouped, size } from "../log/amounts.ts";
import { parseJson } from "../protocol/json.ts";
import type { OutletState } from "../shared/outlet-state.ts";
import { table } from "./table.ts";

/**
 * How long the hub may take to answer, in milliseconds. This is longer than it waits for its disk.
 */
const ANSWER_MS_MAX = 10_000;
/** Longest answer, in bytes: a thousand nodes with long names. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

/** The options of `status`. */
export interface StatusOptions extends HubOptions {
  readonly json?: boolean;
}

/**
 * Asks a hub and prints its answer.
 *
 * @returns `EXIT.failure` if it is not healthy
 * @throws {FatalError} if no hub answers
 */
export async function status(options: StatusOptions): Promise<ExitStatus> {
  const target = targetOf(options);
  const text = await ask(target);
  const hub = read(text, target);
  process.stdout.write(options.json === true ? text : formatStatus(hub, target));
  return hub.healthy ? EXIT.ok : EXIT.failure;
}

/**
 * Asks the hub on this machine that has these settings.
 *
 * @returns undefined if its settings do not let it be asked
 * @throws {FatalError} if no hub answers
 */
export async function statusOfOwn(settings: Settings): Promise<Status | undefined> {
  if (settings.http.listen === OFF) return undefined;
  return await statusOf(ownTarget(settings, "its settings"));
}

/** Asks a hub for its status. @throws {FatalError} if no hub answers */
export async function statusOf(target: Target): Promise<Status> {
  return read(await ask(target), target);
}

function read(text: string, { url }: Target): Status {
  const answer = parseJson(text);
  const { success, data } = statusSchema.safeParse(answer);
  if (success) return data;
  if (answer instanceof Object && "view" in answer)
    throw new FatalError(
      EXIT.refused,
      `What answers at ${url} is imagehub view, not a hub; give the --url of a hub`,
    );
  throw new FatalError(
    EXIT.refused,
    `What answers at ${url} is not an imagehub; give another --url`,
  );
}

async function ask(target: Target): Promise<string> {
  const response = await request(target, "/api/status", AbortSignal.timeout(ANSWER_MS_MAX));
  try {
    return await boundedText(response);
  } catch (cause) {
    throw unanswered(target, cause);
  }
}

async function boundedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > ANSWER_BYTES_MAX)
      throw new Error(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`);
  }
  return text;
}

const UNLABELLED_HINT =
  "Unlabelled messages have no | in their text and are not stored. To store them, see the setting unlabelled. The log names their senders";

/**
 * Formats the status for a person. Times are in this machine's time zone; ages are by the hub's
 * clock.
 */
export function formatStatus(hub: Status, { url, page }: Pick<Target, "url" | "page">): string {
  const { totals, today, disk, queue, connections, publishers } = hub;
  const total = (name: string): string => grouped(totals[name] ?? 0);
  const cap =
    today.images < today.limit ? "" : ": CAP REACHED, more images are answered OK but not stored";
  const state = [
    hub.healthy ? "healthy" : "NOT HEALTHY",
    ...(hub.draining_since === null ? [] : ["DRAINING"]),
  ].join(", ");
  const hasUnlabelled = (totals["unlabelled"] ?? 0) > 0;
  const facts: [string, string][] = [
    ...page.map((line, index) => [index === 0 ? "page" : "", line] satisfies [string, string]),
    ["running", `${duration(hub.uptime_seconds)}, since ${localTime(hub.started, hub.time)}`],
    [
      "stored",
      `images ${total("images")} (${size(totals["image_bytes"] ?? 0)}), events ${total("events")}`,
    ],
    ["today", `${grouped(today.images)} of ${grouped(today.limit)} images (${today.date})${cap}`],
    [
      "not kept",
      `over the cap ${total("images_over_cap")}, failed ${total("failed")}, refused ${total("refused")}, ` +
        `unlabelled ${total("unlabelled")}`,
    ],
    ["waiting", `${grouped(queue.requests)} of ${grouped(queue.capacity)} requests`],
    ["connections", `${grouped(connections)} now, ${total("denied")} denied since the start`],
    ...(publishers.total === 0 ? [] : [publisherFact(publishers, total("dropped"))]),
    [
      "disk",
      `${size(disk.free_bytes)} free of ${size(disk.size_bytes)}, for ${hub.settings.data_directory}`,
    ],
    ...keptFacts(hub.kept),
    ...archiveFacts(hub),
    ...replicationFacts(hub),
    ...hub.outlets.map((outlet) => outletFact(outlet, hub.time)),
  ];
  return [
    escape(`imagehub ${hub.version} (${hub.commit}) at ${url}: ${state}`),
    ...[...hub.reasons, ...hub.notices].map((line) => escape(`  ${line}`)),
    ...table(facts),
    "",
    ...(hub.nodes.length > 0
      ? nodeTable(hub)
      : [`No node has sent anything ${hasUnlabelled ? "that is stored" : "yet"}`]),
    ...(hasUnlabelled ? [UNLABELLED_HINT] : []),
    "",
  ].join("\n");
}

function keptFacts(kept: Status["kept"]): [string, string][] {
  if (kept === null) return [];
  const since = kept.first_day === null ? "" : ` since ${kept.first_day}`;
  const pruned = Object.entries(kept.pruned).map(
    ([reason, { count, bytes }]) => `${grouped(count)} (${size(bytes)}) by ${reason}`,
  );
  return [
    [
      "kept",
      [
        `${counted(kept.days, "day")}${since}`,
        `${counted(kept.images, "image")} (${size(kept.bytes)})`,
        ...(kept.protected_images > 0 ? [`${grouped(kept.protected_images)} protected`] : []),
        ...(kept.bytes_per_day > 0 ? [`${size(kept.bytes_per_day)} a day`] : []),
      ].join(", "),
    ],
    ...(pruned.length > 0 ? [["deleted", pruned.join(", ")] satisfies [string, string]] : []),
  ];
}

function archiveFacts({ archive, time }: Status): [string, string][] {
  if (archive === null) return [];
  const last = archive.last_success;
  const when = last === null ? "no round has ended well yet" : `up to date ${moment(last, time)}`;
  return [["archive", `${archive.directory}, ${when}`]];
}

/** A hub that has just started looks first what waits. */
const notConnected = (error: unknown): string =>
  error === null ? "not connected yet" : "NOT CONNECTED";

function replicationFacts({ replication, time, queue, totals }: Status): [string, string][] {
  if (replication === null) return [];
  const { target, connected_since: since, images, bytes, differences } = replication;
  const { last_error: error } = replication;
  const isWrong = error !== null && (since === null || error.time > since);
  const [awaited, late] = [queue.awaiting_bucket, totals["unconfirmed"] ?? 0];
  return [
    [
      "replicated",
      escape(
        [
          `to ${target}`,
          since === null ? notConnected(error) : `since ${localTime(since, time)}`,
          `${counted(images, "image")} (${size(bytes)}) copied`,
          waitingIn(replication, Date.parse(time)),
          ...(awaited > 0 ? [`cameras wait for ${grouped(awaited)}`] : []),
          ...(late > 0 ? [`${grouped(late)} were TOO LATE for their cameras`] : []),
          ...(differences > 0 ? [`${grouped(differences)} DIFFER`] : []),
          ...(isWrong ? [`last error ${moment(error.time, time)}: ${error.message}`] : []),
        ].join(", "),
      ),
    ],
  ];
}

/** One of those who are told what is stored. */
function outletFact(
  {
    name,
    target,
    connected_since: since,
    sent,
    dropped,
    waiting,
    subscribers,
    ...rest
  }: OutletState,
  now: string,
): [string, string] {
  const { last_error: error } = rest;
  const isWrong = error !== null && (since === null || error.time > since);
  return [
    name,
    escape(
      [
        target,
        since === null ? "NOT CONNECTED" : `since ${localTime(since, now)}`,
        ...(subscribers === null ? [] : [counted(subscribers, "subscriber")]),
        `${grouped(sent)} sent`,
        ...(waiting > 0 ? [`${grouped(waiting)} waiting`] : []),
        ...(dropped > 0 ? [`${grouped(dropped)} dropped`] : []),
        ...(isWrong ? [`last error ${moment(error.time, now)}: ${error.message}`] : []),
      ].join(", "),
    ),
  ];
}

function publisherFact(
  { connected, total }: Status["publishers"],
  dropped: string,
): [string, string] {
  return ["publishers", `${connected} of ${total} connected, ${dropped} of their messages dropped`];
}

function nodeTable(hub: Status): string[] {
  const silent = statesOf(hub.nodes).filter((state) => state.silent);
  const byEntry = silent.filter((state) => state.silent_after !== null).length;
  const byPatience = silent.length - byEntry;
  const when = (time: string | null): string => (time === null ? "-" : moment(time, hub.time));
  return [
    ...table([
      [
        "NODE",
        "VIEW",
        "ADDRESS",
        "LAST SEEN",
        "IMAGES TODAY",
        "EVENTS TODAY",
        "LAST HEARTBEAT",
        "",
      ],
      ...hub.nodes.map((row) => [
        row.node || "(no name)",
        row.view || "-",
        row.address,
        when(row.last_seen),
        grouped(row.images_today),
        grouped(row.events_today),
        when(row.last_heartbeat),
        row.silent ? "SILENT" : "",
      ]),
    ]),
    ...(byEntry > 0
      ? [`${byEntry} silent for longer than silent_after (the setting cameras)`]
      : []),
    ...(byPatience > 0
      ? [
          `${byPatience} silent for longer than ${hub.settings.patience} minutes (the setting patience)`,
        ]
      : []),
  ];
}

/** When something was: how long ago, and the time. */
function moment(time: string, now: string): string {
  const seconds = Math.max(0, Math.round((Date.parse(now) - Date.parse(time)) / 1000));
  return `${duration(seconds)} ago (${localTime(time, now)})`;
}

/** Local time; with the date only if that is not today's. */
function localTime(time: string, now: string): string {
  const [date, clock] = new Date(time).toLocaleString("sv-SE").split(" ") as [string, string];
  return date === new Date(now).toLocaleString("sv-SE").split(" ")[0] ? clock : `${date} ${clock}`;
}
