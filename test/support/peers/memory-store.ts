/**
 * An S3 store in memory that is only read, for what a real one cannot be made to do: objects that
 * are odd or huge, and answers that come late.
 *
 * @module
 */

import type { BunFile } from "bun";
import { formatManifest } from "../../../src/archive/manifest.ts";
import { manifestPath, summaryPath } from "../../../src/replicate/layout.ts";
import { countImages } from "../../../src/replicate/summary.ts";
import type { Target } from "../../../src/s3/target.ts";

/** A store with one bucket. */
export class MemoryStore implements Disposable {
  readonly objects = new Map<string, string | BunFile>();
  /** `LIST prefix`, `GET key` and `HEAD key`. */
  readonly calls: string[] = [];
  /** How long each answer takes, in milliseconds. */
  delayMs = 0;
  /** What the store answers instead, by the call. */
  readonly refusals = new Map<string, { readonly status: number; readonly code: string }>();
  private readonly server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => await this.answer(request),
  });

  get target(): Target {
    return {
      endpoint: new URL(`http://127.0.0.1:${this.server.port}`),
      bucket: "farm",
      region: "us-east-1",
      style: "path",
      accessKey: "access",
      secretKey: "secret",
      ca: undefined,
    };
  }

  /** Begins the folder of a hub. */
  hub(name: string, zone = "UTC"): void {
    this.objects.set(`${name}/hub.json`, JSON.stringify({ time_zone: zone }));
  }

  /** Puts images of a day. The content of each is its name. */
  images(hub: string, date: string, names: readonly string[]): void {
    for (const name of names) this.objects.set(`${hub}/images/${date}/${name}`, name);
  }

  /** Puts images of a day, and finishes it. */
  finished(hub: string, date: string, names: readonly string[], zone = "UTC"): void {
    this.images(hub, date, names);
    const sums = new Map(names.map((name) => [`images/${date}/${name}`, "0".repeat(64)]));
    const sizes = names.map((name) => [name, name.length] as const);
    const summary = countImages(date, sizes, 0, zone);
    this.objects.set(`${hub}/${manifestPath(date, 1)}`, formatManifest(sums));
    this.objects.set(`${hub}/${summaryPath(date, 1)}`, JSON.stringify(summary));
  }

  [Symbol.dispose](): void {
    void this.server.stop(true);
  }

  private async answer({ url, method }: Request): Promise<Response> {
    const { pathname, searchParams: query } = new URL(url);
    const key = decodeURIComponent(pathname.split("/").slice(2).join("/"));
    const call = query.has("list-type") ? `LIST ${query.get("prefix")}` : `${method} ${key}`;
    this.calls.push(call);
    await Bun.sleep(this.delayMs);
    const refusal = this.refusals.get(call);
    if (refusal !== undefined) return refusalOf(refusal.status, refusal.code);
    if (call.startsWith("LIST ")) return this.list(query);
    const object = this.objects.get(key);
    return object === undefined ? refusalOf(404, "NoSuchKey") : new Response(object);
  }

  /** All of a list is one page. */
  private list(query: URLSearchParams): Response {
    const [prefix, delimiter] = [query.get("prefix") ?? "", query.get("delimiter")];
    const after = query.get("start-after") ?? "";
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after);
    const endOf = (key: string): number =>
      delimiter === null ? -1 : key.indexOf(delimiter, prefix.length);
    const objects = keys.filter((key) => endOf(key) < 0).toSorted();
    const folders = keys.flatMap((key) =>
      endOf(key) < 0 ? [] : [key.slice(0, endOf(key) + delimiter!.length)],
    );
    return new Response(
      `<ListBucketResult><IsTruncated>false</IsTruncated>${objects
        .map((key) => `<Contents><Key>${key}</Key><Size>${this.sizeOf(key)}</Size></Contents>`)
        .join("")}${[...new Set(folders)]
        .toSorted()
        .map((folder) => `<CommonPrefixes><Prefix>${folder}</Prefix></CommonPrefixes>`)
        .join("")}</ListBucketResult>`,
    );
  }

  private sizeOf(key: string): number {
    const object = this.objects.get(key)!;
    return typeof object === "string" ? object.length : object.size;
  }
}

function refusalOf(status: number, code: string): Response {
  return new Response(`<Error><Code>${code}</Code></Error>`, { status });
}
