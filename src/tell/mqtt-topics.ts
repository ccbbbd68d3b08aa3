/**
 * The MQTT topics of a hub, and the ids by which Home Assistant knows its devices. `docs/MQTT.md`
 * lists them.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { hostname } from "node:os";

/** Longest name of a node or a camera in a topic or an id, in characters. Longer ones are cut. */
const NAME_MAX = 160;

/** What a level of a topic must not contain, what no person can read, and `%`. */
const NOT_IN_LEVEL = /[%+#/\p{C}\p{Zl}\p{Zp}]/u;

const NOT_IN_ID = /[^A-Za-z0-9]/u;

/** All topics below one. */
export class Topics {
  /** Of the hub, which Home Assistant knows it by. */
  readonly id: string;

  /** @param base the setting `mqtt.topic` */
  constructor(
    readonly base: string,
    /** The setting `mqtt.discovery`. */
    private readonly discovery: string,
  ) {
    this.id = idOf("imagehub", base);
  }

  /** By the settings. `<name>` is the machine's name. */
  static of({ topic, discovery }: { readonly topic: string; readonly discovery: string }): Topics {
    return new Topics(topic.replaceAll("<name>", level(hostname())), discovery);
  }

  get status(): string {
    return `${this.base}/status`;
  }

  get hub(): string {
    return `${this.base}/hub`;
  }

  get test(): string {
    return `${this.base}/test`;
  }

  /** Where events go. @param source who sent it; undefined for the hub itself */
  events(source: string | undefined): string {
    return source === undefined ? `${this.base}/events` : `${this.base}/events/${level(source)}`;
  }

  node(node: string): string {
    return `${this.base}/nodes/${level(node)}/state`;
  }

  reading(source: string, type: string): string {
    return `${this.base}/nodes/${level(source)}/values/${level(type)}`;
  }

  camera(camera: string): string {
    return `${this.base}/cameras/${level(camera)}/state`;
  }

  image(camera: string): string {
    return `${this.base}/cameras/${level(camera)}/image`;
  }

  /** All from which an earlier run of the hub can be known. */
  get learned(): string[] {
    return [`${this.base}/nodes/#`, `${this.base}/cameras/+/state`, this.status];
  }

  /** Where Home Assistant looks for a device. */
  config(deviceId: string): string {
    return `${this.discovery}/device/${deviceId}/config`;
  }

  /** Where Home Assistant says that it has started. */
  get homeAssistant(): string {
    return `${this.discovery}/status`;
  }
}

/**
 * A name as one level of a topic: what is not allowed there, and `%`, becomes `%` and two hex
 * digits for each byte. No two names become the same.
 */
export function level(name: string): string {
  // Alone, it stands for no other name.
  return encoded(name, NOT_IN_LEVEL, "%") || "%";
}

/**
 * An id of letters, digits, `_` and `-`, as Home Assistant requires. Other characters of a part
 * become `_` and two hex digits for each byte. No two lists of parts become the same.
 */
export function idOf(...parts: readonly string[]): string {
  return parts.map((part) => encoded(part, NOT_IN_ID, "_")).join("-");
}

function encoded(name: string, unsafe: RegExp, before: string): string {
  let text = "";
  for (const character of name) {
    const next = unsafe.test(character) ? hex(character, before) : character;
    // No character becomes this mark, so the result is that of no other name.
    if (text.length + next.length > NAME_MAX) return `${text}${before}x${hashOf(name)}`;
    text += next;
  }
  return text;
}

function hex(character: string, before: string): string {
  return [...Buffer.from(character)]
    .map((byte) => before + byte.toString(16).toUpperCase().padStart(2, "0"))
    .join("");
}

function hashOf(name: string): string {
  return createHash("sha256").update(name).digest("hex").slice(0, 32);
}
