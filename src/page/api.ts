/**
 * Asks the hub over its HTTP API, and knows the addresses in it.
 *
 * @module
 */

/** The hub has answered with an error. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** When to try again, in seconds. */
    readonly retryAfter = 0,
  ) {
    super(message);
  }
}

/** A hub that takes longer counts as one that does not answer. */
const ANSWER_MS_MAX = 30_000;

/**
 * Asks the hub. The path is relative to the document, so that the page works below any path.
 *
 * @param msMax for all of the answer
 * @throws {ApiError} if it answers with an error
 * @throws {TypeError} or {DOMException} if it does not answer, or if the question was aborted
 */
export async function request(
  path: string,
  init: RequestInit = {},
  msMax = ANSWER_MS_MAX,
): Promise<Response> {
  const late = AbortSignal.timeout(msMax);
  const signal = init.signal ? AbortSignal.any([init.signal, late]) : late;
  const response = await fetch(new URL(path, document.baseURI), { ...init, signal });
  if (response.ok) return response;
  const text = (await response.text()).trim();
  const retryAfter = Number(response.headers.get("retry-after") ?? 0);
  throw new ApiError(response.status, text.split("\n")[0] ?? "", retryAfter);
}

/** A path of the API with its parameters; those that are undefined or empty are left out. */
export function withQuery(
  path: string,
  query: Readonly<Record<string, string | number | readonly string[] | undefined>>,
): string {
  const pairs = Object.entries(query).flatMap(([key, value]) =>
    value === undefined || value === ""
      ? []
      : [value].flat().map((each) => `${key}=${encodeURIComponent(String(each))}`),
  );
  return pairs.length === 0 ? path : `${path}?${pairs.join("&")}`;
}

/** The path of what belongs to a day. */
export function dayPath(date: string, rest = ""): string {
  return `api/v1/days/${date}${rest === "" ? "" : `/${rest}`}`;
}

/** The path of an image's file. */
export function imagePath(date: string, name: string): string {
  return dayPath(date, `images/${encodeURIComponent(name)}`);
}

/** The path of a thumbnail that fills so many CSS pixels. */
export function thumbnailPath(date: string, name: string, cssWidth: number): string {
  const pixels = cssWidth * Math.min(devicePixelRatio, 2);
  // Slightly too small is not seen, and costs the hub a quarter.
  const width = [160, 320].find((each) => pixels <= each * 1.25) ?? 640;
  return dayPath(date, `thumbnails/${encodeURIComponent(name)}?width=${width}`);
}
