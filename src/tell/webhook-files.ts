/**
 * The files of a webhook: URL, header lines, secret, template and certificate.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { readingReason } from "../config/layer.ts";
import { isWebhookUrl, type WebhookSettings } from "../config/webhook.ts";
import { messageOf } from "../errors.ts";
import { isExposed } from "../os/exposure.ts";
import { Template } from "./template.ts";

/** Largest file, in bytes. */
const FILE_BYTES_MAX = 65_536;

/** Shortest secret, in characters: shorter ones can be guessed. */
const SECRET_CHARS_MIN = 16;

/** What belongs to the connection, and not to whoever writes a header file. */
const OWN_HEADERS = /^(?:connection|content-length|transfer-encoding|x-imagehub-.*)$/i;

/** What is needed to send. */
export interface WebhookFiles {
  readonly url: URL;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly secret: string | undefined;
  /** undefined: JSON with all facts. */
  readonly template: Template | undefined;
  /** Certificates to trust instead of those that the system knows, in PEM. */
  readonly ca: string | undefined;
  /** Files with secrets that every user of the machine can read. */
  readonly exposed: readonly string[];
}

/** Reads all files of a webhook. @throws {Error} with a message that names the file */
export async function readWebhookFiles(settings: WebhookSettings): Promise<WebhookFiles> {
  const { url_file: urlFile, header_file: headerFile, secret_file: secretFile } = settings;
  const exposed: string[] = [];
  const read = async <T>(
    path: string | undefined,
    isSecret: boolean,
    parse: (text: string) => T,
  ): Promise<T | undefined> => {
    if (path === undefined) return undefined;
    const file = await readText(path);
    if (isSecret && file.isExposed) exposed.push(path);
    try {
      return parse(file.text);
    } catch (error) {
      throw new Error(`${path} is wrong: ${messageOf(error)}`, { cause: error });
    }
  };
  const url = new URL(settings.url ?? (await read(urlFile, true, parseUrl))!);
  const headers = (await read(headerFile, true, parseHeaders)) ?? [];
  const secret = await read(secretFile, true, parseSecret);
  const template = await read(settings.template, false, (text) => Template.parse(text));
  const ca = await read(settings.ca, false, parseCertificates);
  return { url, headers, secret, template, ca, exposed };
}

async function readText(path: string): Promise<{ text: string; isExposed: boolean }> {
  try {
    const found = await stat(path);
    // Reading a pipe may never end.
    if (!found.isFile() && !found.isDirectory()) throw new Error("it is no regular file");
    if (found.size > FILE_BYTES_MAX) throw new Error(`it is larger than ${FILE_BYTES_MAX} bytes`);
    const bytes = await readFile(path);
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return { text, isExposed: isExposed(found) };
  } catch (error) {
    throw new Error(`Cannot read ${path}: ${fileReason(error)}`, { cause: error });
  }
}

function fileReason(error: unknown): string {
  if (error instanceof TypeError) return "it is not UTF-8 text";
  return readingReason(error);
}

/** The first line. None of what is wrong is shown: it may be the secret. */
const firstLine = (text: string): string => text.split("\n", 1)[0]!.trim();

function parseUrl(text: string): string {
  const url = firstLine(text);
  if (!isWebhookUrl(url))
    throw new Error("its first line must be a URL that begins with http:// or https://");
  return url;
}

function parseSecret(text: string): string {
  const secret = firstLine(text);
  if (secret.length < SECRET_CHARS_MIN) {
    throw new Error(
      `its first line must have ${SECRET_CHARS_MIN} characters or more, such as openssl rand -hex 32 prints`,
    );
  }
  return secret;
}

/** Lines `Name: value`. Empty lines and those that begin with `#` do not count. */
function parseHeaders(text: string): [name: string, value: string][] {
  return text.split("\n").flatMap((line, index): [string, string][] => {
    if (line.trim() === "" || line.startsWith("#")) return [];
    const [, name, value] =
      /^([\w!#$%&'*+.^`|~-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*?)\s*$/.exec(line) ?? [];
    if (name === undefined || value === undefined)
      throw new Error(`line ${index + 1} must be Name: value, in letters of Latin-1`);
    if (OWN_HEADERS.test(name)) throw new Error(`line ${index + 1}: the hub sets ${name} itself`);
    return [[name, value]];
  });
}

function parseCertificates(text: string): string {
  try {
    void new X509Certificate(text);
  } catch (cause) {
    throw new Error("it holds no certificate in PEM", { cause });
  }
  return text;
}
