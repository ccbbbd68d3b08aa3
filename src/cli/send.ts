/**
 * `imagehub send`: shows whether a hub can be reached and answers. It replaces `telnet data1 5555`.
 *
 * @module
 */

import { lookup } from "node:dns/promises";
import { connect } from "node:net";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { readingReason } from "../config/layer.ts";
import { EXIT, type ExitStatus, FatalError } from "../errors.ts";
import { type KeyPair, readKeyPair, readPublicKey } from "../zmq/certificate.ts";
import { eventFrames, type Frames, jpegFrames, rawFrames } from "./frames.ts";
import { oneLine } from "../protocol/names.ts";
import { HubUnreachable, Requester } from "./requester.ts";

const PORT = 5555;

/** The options of `send`. */
export interface SendOptions {
  readonly node?: string;
  readonly view?: string;
  readonly event?: string;
  readonly to: string;
  readonly raw?: boolean;
  readonly timeout: string;
  readonly key?: string;
  readonly serverKey?: string;
}

/** One thing to send: its title on the screen, and its frames. */
interface Item {
  readonly title: string;
  readonly frames: Frames;
}

/**
 * Sends files or an event, and prints the result of each.
 *
 * @throws {FatalError} if a file cannot be sent, or the hub does not answer, or answers anything
 * but OK
 */
export async function send(files: readonly string[], options: SendOptions): Promise<ExitStatus> {
  const timeoutMs = Number(options.timeout) * 1000;
  if (!(timeoutMs > 0 && timeoutMs <= 3_600_000)) {
    throw new FatalError(
      EXIT.usage,
      `--timeout is "${options.timeout}", must be seconds, above 0 and at most 3600`,
    );
  }
  const { host, port } = parseEndpoint(options.to);
  const items = await collect(files, options);
  const endpoint = `tcp://${host}:${port}`;
  const family = await familyOf(host);

  // Only now: a mistake on the command line is reported without loading the library.
  const { Context } = await import("../zmq/socket.ts");
  using context = new Context();
  using requester = new Requester(context, endpoint, {
    isIPv6: family === 6,
    ...readKeys(options),
  });
  let refused = 0;
  try {
    requester.connect(timeoutMs);
    print(`Connected to ${endpoint}`);
    for (const { title, frames } of items) {
      const { reply, milliseconds } = requester.request(frames, timeoutMs);
      // What the hub answers must not control this terminal.
      print(`${oneLine(`${title}: ${reply}`)}, answered in ${milliseconds.toFixed(1)} ms`);
      if (reply !== "OK") refused++;
    }
  } catch (error) {
    if (!(error instanceof HubUnreachable)) throw error;
    throw new FatalError(EXIT.unanswered, await explain(error, { host, port, family }, timeoutMs), {
      cause: error,
    });
  }
  if (refused > 0)
    throw new FatalError(
      EXIT.refused,
      `The hub refused ${refused} of ${items.length}; see its log for the reason`,
    );
  return EXIT.ok;
}

/** @throws {FatalError} if only one of the two is given, or a file holds no key */
function readKeys({ key, serverKey }: SendOptions): { keys?: KeyPair; serverKey?: string } {
  if (key === undefined && serverKey === undefined) return {};
  if (key === undefined || serverKey === undefined) {
    throw new FatalError(EXIT.usage, "--key and --server-key are needed together");
  }
  try {
    return { keys: readKeyPair(key), serverKey: readPublicKey(serverKey) };
  } catch (cause) {
    throw new FatalError(EXIT.usage, `Cannot read the keys: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** Reads what is to be sent. @throws {FatalError} if there is nothing that can be sent */
async function collect(
  files: readonly string[],
  { node, view, event, raw }: SendOptions,
): Promise<Item[]> {
  if (event !== undefined) {
    if (files.length > 0) throw new FatalError(EXIT.usage, "Give files or --event, not both");
    if (!event.includes("|")) {
      throw new FatalError(
        EXIT.usage,
        `--event is "${event}", must contain a |, such as "Garage|Temp|76 F"; a text without | is a test image`,
      );
    }
    return [{ title: event, frames: eventFrames(event) }];
  }
  if (files.length === 0)
    throw new FatalError(EXIT.usage, "Nothing to send: name a file, or give --event");
  if (node === undefined)
    throw new FatalError(
      EXIT.usage,
      "--node is missing: give the name of the node that the images come from",
    );
  const from = view === undefined ? node : `${node} ${view}`;
  if (from.includes("|"))
    throw new FatalError(
      EXIT.usage,
      `The name "${from}" contains a |, which separates the fields of the text: choose a name without it`,
    );

  const items: Item[] = [];
  for (const file of files)
    items.push({ title: basename(file), frames: await imageFrames(file, from, raw === true) });
  return items;
}

async function imageFrames(file: string, from: string, raw: boolean): Promise<Frames> {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new FatalError(EXIT.usage, `Cannot read ${file}: ${readingReason(cause)}`, { cause });
  }
  if (!raw) {
    if (bytes[0] === 0xff && bytes[1] === 0xd8) return jpegFrames(`${from}|jpg|`, bytes);
    throw new FatalError(
      EXIT.usage,
      `${file} is not a JPEG; add --raw to send any picture as an array of pixels`,
    );
  }
  try {
    return await rawFrames(`${from}|image|`, bytes);
  } catch (cause) {
    throw new FatalError(
      EXIT.usage,
      `Cannot read ${file} as a picture: ${(cause as Error).message}`,
      { cause },
    );
  }
}

/**
 * Parses `tcp://HOST:PORT`; scheme and port may be missing. @throws {FatalError} if it is no
 * endpoint
 */
function parseEndpoint(text: string): { host: string; port: number } {
  // Characters outside a host name would mean something else to libzmq, or fail there.
  const match = /^(?:tcp:\/\/)?(\[[0-9a-f:.]+(?:%[\w.-]+)?\]|[a-z\d][\w.-]*)(?::(\d{1,5}))?$/i.exec(
    text,
  );
  const port = Number(match?.[2] ?? PORT);
  if (!match || port < 1 || port > 65_535) {
    throw new FatalError(
      EXIT.usage,
      `--to is "${text}", must be tcp://HOST:PORT, such as tcp://data1:5555`,
    );
  }
  return { host: match[1]!, port };
}

/** The address of a hub. */
interface Target {
  readonly host: string;
  readonly port: number;
  /** Of the address: 4, or 6 if it has no IPv4 address; 0 for either. */
  readonly family: number;
}

/** The family to use. imagezmq's senders use IPv4, so a name with both counts as IPv4. */
async function familyOf(host: string): Promise<number> {
  try {
    return (await lookup(bare(host), { order: "ipv4first" })).family;
  } catch {
    // Reported later, with everything else that is wrong with it.
    return 4;
  }
}

/** An IPv6 address without its brackets. */
function bare(host: string): string {
  return host.replace(/^\[|\]$/g, "");
}

/**
 * What failed, and what to check. A separate TCP connection finds out what libzmq does not report.
 */
async function explain(
  { stage }: HubUnreachable,
  target: Target,
  timeoutMs: number,
): Promise<string> {
  const { host, port } = target;
  const where = `tcp://${host}:${port}`;
  if (stage === "answer") {
    return `${where} took the request but did not answer within ${timeoutMs / 1000} s: its disk may stall; see the log of the hub there`;
  }
  const code = await probe(target, timeoutMs);
  switch (code) {
    case undefined:
      return `${where} accepts connections but does not speak ZeroMQ, or refuses this sender: is it the hub that listens there? (sudo ss -tlnp on that machine)`;
    case "ECONNREFUSED":
      return `Cannot connect to ${where}: nothing listens on port ${port} there; is the hub running? (systemctl status imagehub)`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `Cannot connect to ${where}: no machine named ${host} is known; check the name`;
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return `Cannot connect to ${where}: that machine cannot be reached; is it switched on, and in the same network?`;
    default:
      return `Cannot connect to ${where} (${code}): is the machine switched on, and does a firewall let port ${port} through?`;
  }
}

/** @returns the error code, or undefined if a TCP connection was made */
export async function probe(
  { host, port, family }: Target,
  timeoutMs: number,
): Promise<string | undefined> {
  const result = Promise.withResolvers<string | undefined>();
  const socket = connect({ host: bare(host), port, family, timeout: Math.min(timeoutMs, 3000) });
  socket.once("connect", () => result.resolve(undefined));
  socket.once("timeout", () => result.resolve("ETIMEDOUT"));
  socket.once("error", (error: NodeJS.ErrnoException) =>
    result.resolve(error.code ?? error.message),
  );
  try {
    return await result.promise;
  } finally {
    socket.destroy();
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
