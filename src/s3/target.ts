/**
 * Where an S3 bucket is, and the keys to it.
 *
 * @module
 */

/** A bucket of an S3 store. */
export interface Target {
  /** `http:` or `https:`, a host, and a port if need be. */
  readonly endpoint: URL;
  readonly bucket: string;
  readonly region: string;
  /** Where the bucket is named in an address: in its path, or in front of its host. */
  readonly style: "path" | "host";
  readonly accessKey: string;
  readonly secretKey: string;
  /** Certificates to trust instead of those that the system knows, in PEM. */
  readonly ca: string | undefined;
}

/** Longest key of an object, in bytes of UTF-8: that of S3. */
const KEY_BYTES_MAX = 1024;

/**
 * The address of an object, or of the bucket.
 *
 * @param key of the object; empty: the bucket
 * @param query names and values, in order
 * @throws {Error} if no address can have this key
 */
export function addressOfKey(
  { endpoint, bucket, style }: Pick<Target, "endpoint" | "bucket" | "style">,
  key: string,
  query: Readonly<Record<string, string>> = {},
): URL {
  // A URL resolves such parts, and would name another object.
  if (key.split("/").some((part) => part === "." || part === ".."))
    throw new Error(`The key ${key} has a part . or ..`);
  if (!key.isWellFormed() || Buffer.byteLength(key) > KEY_BYTES_MAX)
    throw new Error(`The key ${key} is no text of at most ${KEY_BYTES_MAX} bytes`);
  const host = style === "host" ? `${bucket}.${endpoint.host}` : endpoint.host;
  const folder = style === "host" ? "" : `/${bucket}`;
  const path = key.split("/").map(encode).join("/");
  const pairs = Object.entries(query).map(([name, value]) => `${encode(name)}=${encode(value)}`);
  const search = pairs.length === 0 ? "" : `?${pairs.join("&")}`;
  return new URL(`${endpoint.protocol}//${host}${folder}/${path}${search}`);
}

/** As the signature wants it (RFC 3986). */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
