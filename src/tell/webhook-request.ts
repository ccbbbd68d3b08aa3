/**
 * One HTTP request of a webhook, and what its answer means.
 *
 * No message here contains the path of the URL, or anything that the receiver has written: some
 * receivers repeat the path, which may be the secret. What it has written is apart, in `answer`.
 *
 * @module
 */

import { createHmac } from "node:crypto";
import { STATUS_CODES } from "node:http";
import { DNS_SILENT, fetchAnswer, fetchCode, fetchReason } from "../net/fetch.ts";
import { VERSION } from "../version.ts";
import type { Facts } from "./facts.ts";
import type { WebhookFiles } from "./webhook-files.ts";

/** How long a request may take, in milliseconds. */
const REQUEST_MS_MAX = 10_000;

/** How much of an answer is read, in bytes, and for how long after its head, in milliseconds. */
const ANSWER_BYTES_MAX = 4096;
const ANSWER_MS_MAX = 1000;

/** What came of a request. */
export interface Outcome {
  /**
   * `taken`: by the receiver. `refused`: it does not want it, so it need not be tried again.
   * `failed`: it can be tried again. `suspect`: the same, but what was sent may be the reason.
   */
  readonly kind: "taken" | "refused" | "failed" | "suspect";
  /** Such as `answered 200 OK`. */
  readonly message: string;
  /** What the receiver asks to wait, in milliseconds. */
  readonly waitMs?: number | undefined;
}

/** What is sent. */
export interface WebhookRequest {
  readonly files: WebhookFiles;
  readonly facts: Facts;
  /** The same each time that it is sent. */
  readonly id: string;
  /** Ends it early. */
  readonly signal: AbortSignal;
}

/**
 * Sends a request. Never rejects, and takes {@link REQUEST_MS_MAX} at most.
 *
 * @returns also the beginning of the body of the answer
 */
export async function sendRequest(
  request: WebhookRequest,
): Promise<Outcome & { readonly answer: string }> {
  const { files, signal } = request;
  const ending = new AbortController();
  const end = (): void => ending.abort();
  const timer = setTimeout(end, REQUEST_MS_MAX);
  signal.addEventListener("abort", end);
  try {
    const { url, ca } = files;
    const response = await fetchAnswer(url, {
      method: "POST",
      ...content(request),
      ca,
      signal: ending.signal,
    });
    return { ...outcomeOf(response), answer: await readSome(response) };
  } catch (error) {
    const code = fetchCode(error);
    const whose = code === DNS_SILENT ? "no answer of DNS" : "no answer";
    const message = ending.signal.aborted
      ? `${whose} within ${REQUEST_MS_MAX / 1000} s`
      : fetchReason(code);
    return { kind: "failed", message, answer: "" };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}

/** Body and headers of a request. */
export function content({ files, facts, id }: Omit<WebhookRequest, "signal">): {
  body: string;
  headers: Headers;
} {
  const { template, secret } = files;
  const body = template === undefined ? JSON.stringify(facts) : template.fillIn(facts);
  const isJson = template?.isJson ?? true;
  const headers = new Headers({
    "Content-Type": isJson ? "application/json" : "text/plain; charset=utf-8",
    "User-Agent": `imagehub/${VERSION}`,
    // A packed answer can be larger than what is read of it.
    "Accept-Encoding": "identity",
  });
  for (const [name] of files.headers) headers.delete(name);
  for (const [name, value] of files.headers) headers.append(name, value);
  const time = String(Math.floor(Date.now() / 1000));
  headers.set("X-Imagehub-Delivery", id);
  headers.set("X-Imagehub-Timestamp", time);
  if (secret !== undefined) {
    const signature = createHmac("sha256", secret).update(`${time}.`).update(body).digest("hex");
    headers.set("X-Imagehub-Signature", `sha256=${signature}`);
  }
  return { body, headers };
}

/** Answers to wait after that have nothing to do with what was sent. */
const PASSING = new Set([408, 429, 502, 503, 504]);

function outcomeOf({ status, headers }: Response): Outcome {
  const message = `answered ${status} ${STATUS_CODES[status] ?? ""}`.trim();
  if (status >= 200 && status < 300) return { kind: "taken", message };
  if (status >= 300 && status < 400) {
    return { kind: "refused", message: `${message}: it has another address now; set url to that` };
  }
  const isPassing = PASSING.has(status);
  if (status < 500 && !isPassing) return { kind: "refused", message };
  const waitMs = waitIn(headers.get("Retry-After"));
  return { kind: isPassing ? "failed" : "suspect", message, waitMs };
}

/** `Retry-After` in milliseconds: it has seconds, or a date. */
function waitIn(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : ms;
}

/**
 * Reads an answer, so that the connection can be used again, unless it is long or slow. @returns
 * its beginning
 */
async function readSome({ body }: Response): Promise<string> {
  if (body === null) return "";
  const reader = body.getReader();
  const timer = setTimeout(() => void reader.cancel().catch(() => undefined), ANSWER_MS_MAX);
  const parts: Uint8Array[] = [];
  try {
    for (let length = 0; length <= ANSWER_BYTES_MAX;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      length += value.byteLength;
    }
    await reader.cancel();
  } catch {
    // Its head has come, and says all.
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(parts).toString("utf8", 0, ANSWER_BYTES_MAX);
}
