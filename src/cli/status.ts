/**
 * `imagehub status`: shows the health of a hub, here or elsewhere, and its nodes.
 *
 * @module
 */

import { EXIT, type ExitStatus, FatalError, messageOf } from "../errors.ts";
import type { Settings } from "../config/schema.ts";
import { type PublicCertificate, readPublic } from "../http/certificate.ts";
import { OFF, parseListen, urlOf } from "../net/listen-address.ts";
import { type NodeStatus, type Status, statusSchema } from "../http/status.ts";
import { readToken } from "../http/token.ts";
import { escape } from "../log/fields.ts";
import { findRunningService, type RunningService } from "../service/running.ts";
import { machineNames, pageLines } from "./page-address.ts";
import { loadFor, type SettingsOptions } from "./check.ts";
import { counted, grouped, size } from "../log/amounts.ts";
import { table } from "./table.ts";

/**
 * How long the hub may take to answer, in milliseconds. This is longer than it waits for its disk.
 */
const ANSWER_MS_MAX = 10_000;
/** Longest answer, in bytes: a thousand nodes with long names. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

/** Advice if no hub answers. */
const ADVICE =
  "Check that it is running (systemctl status imagehub), uses these settings, and that http.listen is not off. To ask another address, give --url";

/** The options of `status`. */
export interface StatusOptions extends SettingsOptions {
  readonly url?: string;
  readonly tokenFile?: string;
  readonly json?: boolean;
}

/** Where to ask, and the token to send. */
interface Target {
  readonly url: string;
  readonly token: string | undefined;
  /** The only certificate that it may show; undefined: any that is valid for the address. */
  readonly certificate?: PublicCertificate | undefined;
  /** Where a person opens the page, in lines. */
  readonly page: readonly string[];
  /** Advice if nobody answers. */
  readonly advice?: string;
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
  const target = ownTarget(settings, "its settings");
  return read(await ask(target), target);
}

function read(text: string, { url }: Target): Status {
  const { success, data } = statusSchema.safeParse(parseJson(text));
  if (success) return data;
  throw new FatalError(
    EXIT.refused,
    `What answers at ${url} is not an imagehub; give another --url`,
  );
}

/** The token from the settings is sent only to the address from the settings. */
function targetOf(options: StatusOptions): Target {
  const { url, tokenFile, path, config } = options;
  if (url !== undefined) {
    const origin = originOf(url);
    return { url: origin, page: [origin], token: tokenIn(tokenFile ?? "") };
  }
  const service = path === undefined && config === undefined ? findRunningService() : undefined;
  if (service !== undefined) return serviceTarget(service, tokenFile);
  const { settings, file, place } = loadFor(options);
  return ownTarget(settings, file ?? place, tokenFile);
}

/** The caller may not be the service's user, and its files may not be readable for everyone. */
function serviceTarget({ config, settings, problem }: RunningService, tokenFile?: string): Target {
  const advice =
    problem === undefined
      ? undefined
      : `Cannot read the settings of the service: ${problem}\nAsk as root (sudo ${process.execPath} status), or give its address with --url`;
  return { ...ownTarget(settings, config, tokenFile), ...(advice !== undefined && { advice }) };
}

function ownTarget(settings: Settings, where: string, tokenFile?: string): Target {
  const { http } = settings;
  const address = http.listen === OFF ? undefined : parseListen(http.listen);
  if (address === undefined) {
    throw new FatalError(
      EXIT.config,
      `hub.http.listen is off (${where}), so the hub cannot be asked: set it to an address, or give --url`,
    );
  }
  // This machine needs no proxy. The runtime would use one even for 127.0.0.1.
  for (const name of ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"])
    delete process.env[name];
  const certificate = certificateIn(http.tls.certificate);
  const url = urlOf(address, certificate !== undefined);
  return {
    url,
    page: pageLines(settings, machineNames()),
    token: tokenIn(tokenFile ?? http.token_file),
    certificate,
  };
}

function certificateIn(path: string): PublicCertificate | undefined {
  if (path === "") return undefined;
  try {
    return readPublic(path);
  } catch (cause) {
    const reason = messageOf(cause);
    const advice = reason.includes("EACCES") ? "; ask as root" : "";
    throw new FatalError(EXIT.config, `hub.http.tls.certificate: ${reason}${advice}`, { cause });
  }
}

function originOf(text: string): string {
  const url = URL.parse(/^https?:\/\//i.test(text) ? text : `http://${text}`);
  if (url === null || url.pathname !== "/" || url.search !== "") {
    throw new FatalError(
      EXIT.usage,
      `--url is "${text}", must be the hub's address, such as http://data1:8550`,
    );
  }
  return url.origin;
}

function tokenIn(path: string): string | undefined {
  if (path === "") return undefined;
  try {
    return readToken(path).token;
  } catch (cause) {
    const reason = messageOf(cause);
    const advice = reason.includes("EACCES") ? "; ask as root, or give --token-file" : "";
    throw new FatalError(EXIT.config, `Cannot read the token: ${reason}${advice}`, { cause });
  }
}

async function ask({ url, token, certificate, advice = ADVICE }: Target): Promise<string> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${url}/api/status`, {
      headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
      redirect: "error",
      ...(certificate !== undefined && { tls: only(certificate) }),
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    });
    text = await boundedText(response);
  } catch (cause) {
    const distrust = distrustIn(cause, certificate !== undefined);
    if (distrust !== undefined)
      throw new FatalError(EXIT.refused, `What answers at ${url} ${distrust}`, { cause });
    throw new FatalError(
      EXIT.unanswered,
      `No hub answers at ${url}: ${networkMessageOf(cause)}\n${advice}`,
      {
        cause,
      },
    );
  }
  if (response.status === 401) {
    throw new FatalError(
      EXIT.refused,
      `The hub at ${url} needs another token; see http.token_file, or give --token-file`,
    );
  }
  if (response.status === 421) {
    throw new FatalError(
      EXIT.refused,
      `The hub at ${url} answers under this name only with a token; give --url with 127.0.0.1, [::1] or localhost, or set http.token_file there`,
    );
  }
  if (!response.ok) {
    throw new FatalError(
      EXIT.refused,
      `What answers at ${url} is not an imagehub, or is too old: status ${response.status}`,
    );
  }
  return text;
}

const ANOTHER_CERTIFICATE = "another certificate";

/**
 * Trusts one certificate, whatever its name is and whoever has issued it: on this machine, the hub
 * is asked at an address that is not in its certificate.
 */
function only({ cert, fingerprint }: PublicCertificate): BunFetchRequestInitTLS {
  const trust = {
    ca: cert,
    // Its issuer need not be known.
    allowPartialTrustChain: true,
    checkServerIdentity: (_: string, shown: { readonly fingerprint256: string }) =>
      shown.fingerprint256 === fingerprint ? undefined : new Error(ANOTHER_CERTIFICATE),
  };
  return trust;
}

/** What is wrong with the certificate that was shown; undefined if that is not the reason. */
function distrustIn(error: unknown, isOwn: boolean): string | undefined {
  const { code = "", message } = error as NodeJS.ErrnoException;
  if (code === "CERT_HAS_EXPIRED") return "shows a certificate that has expired: renew it";
  if (message !== ANOTHER_CERTIFICATE && !/CERT|SIGNATURE|ISSUER/.test(code)) return undefined;
  return isOwn
    ? "shows another certificate than the one in hub.http.tls.certificate: if that was renewed, reload the hub (sudo systemctl reload imagehub)"
    : `shows a certificate that this machine does not trust (${message}): name a file with it, or with that of its issuer, in the variable NODE_EXTRA_CA_CERTS`;
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

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
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
  const hasUnlabelled = (totals["unlabelled"] ?? 0) > 0;
  const facts: [string, string][] = [
    ...page.map((line, index) => [index === 0 ? "page" : "", line] satisfies [string, string]),
    ["running", `${age(hub.uptime_seconds)}, since ${localTime(hub.started, hub.time)}`],
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
  ];
  return [
    escape(
      `imagehub ${hub.version} (${hub.commit}) at ${url}: ${hub.healthy ? "healthy" : "NOT HEALTHY"}`,
    ),
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

function publisherFact(
  { connected, total }: Status["publishers"],
  dropped: string,
): [string, string] {
  return ["publishers", `${connected} of ${total} connected, ${dropped} of their messages dropped`];
}

function nodeTable(hub: Status): string[] {
  const heard = new Map<string, number>();
  for (const { node, last_seen: seen } of hub.nodes) {
    heard.set(node, Math.max(heard.get(node) ?? 0, Date.parse(seen)));
  }
  const { patience } = hub.settings;
  const isSilent = ({ node }: NodeStatus): boolean =>
    Date.parse(hub.time) - (heard.get(node) ?? 0) > patience * 60_000;
  const when = (time: string | null): string => (time === null ? "-" : moment(time, hub.time));
  const silent = new Set(hub.nodes.filter(isSilent).map(({ node }) => node)).size;
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
        isSilent(row) ? "SILENT" : "",
      ]),
    ]),
    ...(silent > 0
      ? [`${silent} silent for longer than ${patience} minutes (the setting patience)`]
      : []),
  ];
}

/** When something was: how long ago, and the time. */
function moment(time: string, now: string): string {
  const seconds = Math.max(0, Math.round((Date.parse(now) - Date.parse(time)) / 1000));
  return `${age(seconds)} ago (${localTime(time, now)})`;
}

const UNITS = [
  ["days", 86_400],
  ["h", 3600],
  ["min", 60],
] as const;

/**
 * A duration in its largest unit, and in the next one if that matters: `3 days 4 h`, `12 min`, `7
 * s`.
 */
function age(seconds: number): string {
  const at = UNITS.findIndex(([, length]) => seconds >= length);
  if (at < 0) return `${seconds} s`;
  const [unit, length] = UNITS[at]!;
  const count = Math.floor(seconds / length);
  const [below, belowLength] = UNITS[at + 1] ?? ["s", 1];
  const rest = Math.floor((seconds % length) / belowLength);
  const text = `${count} ${count === 1 && unit === "days" ? "day" : unit}`;
  return rest > 0 && count < 10 ? `${text} ${rest} ${below}` : text;
}

/** Local time; with the date only if that is not today's. */
function localTime(time: string, now: string): string {
  const [date, clock] = new Date(time).toLocaleString("sv-SE").split(" ") as [string, string];
  return date === new Date(now).toLocaleString("sv-SE").split(" ")[0] ? clock : `${date} ${clock}`;
}

/** Why a request over the network failed. */
function networkMessageOf(error: unknown): string {
  const text = messageOf(error);
  // The runtime's own words are for programmers, so replace them.
  if (/ECONNREFUSED|ConnectionRefused/.test(text)) return "nothing listens there (ECONNREFUSED)";
  if (/ECONNRESET|socket connection was closed/.test(text))
    return "what listens there does not speak HTTP (ECONNRESET)";
  return text;
}
