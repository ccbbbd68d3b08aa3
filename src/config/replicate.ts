/**
 * What the values of the settings under `replicate` may be, and what belongs together.
 *
 * @module
 */

import { isIP } from "node:net";
import type { Settings } from "./schema.ts";

/** How addresses name the bucket. */
export const STYLES = ["path", "host"] as const;

/** What is copied first. */
export const ORDERS = ["newest", "oldest"] as const;

/** The name of a bucket, by Amazon's rules. It is no address. */
export const BUCKET = /^(?!\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** The name of a region. */
export const REGION = /^[\w-]{1,64}$/;

/** The folder of a hub, in which `<name>` stands for the name of the machine. */
export const NAME = /^(?!\.)(?:<name>|[\w.-]){1,64}$/;

/** An access key or a secret key. One with `…` is not whole: `imagehub check` shows it so. */
export const KEY = /^[!-~]{1,256}$/;

/** Whether this is the address of a store: with a host, and nothing after it. */
export function isEndpoint(text: string): boolean {
  return /^https?:\/\/[^/@?#\s]+\/?$/.test(text) && URL.canParse(text);
}

/** What is missing or too much; undefined if nothing is. */
export function replicateProblem({ replicate, ack }: Settings): string | undefined {
  const { endpoint, bucket, style } = replicate;
  const { access_key: accessKey, secret_key: secretKey, key_file: keyFile } = replicate;
  if (endpoint === "")
    return ack === "replicated"
      ? "hub.ack is replicated, which needs a bucket: set hub.replicate.endpoint, or hub.ack to stored"
      : undefined;
  if (bucket === "") return "hub.replicate.endpoint needs hub.replicate.bucket";
  if (keyFile !== "" && (accessKey !== "" || secretKey !== ""))
    return "hub.replicate.key_file holds both keys: leave out access_key and secret_key";
  if (keyFile === "" && (accessKey === "" || secretKey === ""))
    return "hub.replicate.endpoint needs hub.replicate.key_file, or access_key and secret_key";
  const { hostname } = new URL(endpoint);
  if (style === "host" && isIP(hostname.replaceAll(/[[\]]/g, "")) !== 0)
    return "hub.replicate.style is host, but hub.replicate.endpoint has an address, and no name";
  return undefined;
}
