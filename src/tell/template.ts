/**
 * Templates of webhooks: a text with placeholders, such as `{message}`.
 *
 * `{reasons:json}` is the value as JSON, with its quotes, or null if there is none. `{image:url}`
 * is for a part of a URL. In a template that is JSON, `{message}` is escaped so that it can stand
 * between quotes.
 *
 * @module
 */

import { nearest } from "../config/nearest.ts";
import { messageOf } from "../errors.ts";
import { FACT_NAMES, type FactName, type Facts } from "./facts.ts";

const PLACEHOLDER = /\{([a-z_]+)(?::([a-z_]+))?\}/g;

type Form = "plain" | "json" | "url";

/** A text between placeholders, or a placeholder. */
type Part = string | { readonly name: FactName; readonly form: Form };

/** A template. */
export class Template {
  private constructor(
    private readonly parts: readonly Part[],
    /** Whether what it makes is JSON. */
    readonly isJson: boolean,
  ) {}

  /**
   * Reads a template. Spaces and empty lines at its end do not count.
   *
   * @throws {Error} with a message if there is no such placeholder, or if it begins like JSON and
   * is none
   */
  static parse(text: string): Template {
    const source = text.trimEnd();
    const parts: Part[] = [];
    let end = 0;
    for (const match of source.matchAll(PLACEHOLDER)) {
      parts.push(source.slice(end, match.index), placeholder(match[0], match[1]!, match[2]));
      end = match.index + match[0].length;
    }
    parts.push(source.slice(end));
    return new Template(parts, makesJson(parts));
  }

  /** Fills it in. Facts that are missing are empty. */
  fillIn(facts: Facts): string {
    return join(this.parts, ({ name, form }) => {
      const value = facts[name];
      if (form === "json") return JSON.stringify(value ?? null);
      const plain = Array.isArray(value) ? value.join("; ") : String(value ?? "");
      if (form === "url") return encodeURIComponent(plain.toWellFormed());
      return this.isJson ? JSON.stringify(plain).slice(1, -1) : plain;
    });
  }
}

function placeholder(written: string, word: string, form = "plain"): Part {
  const name = FACT_NAMES.find((each) => each === word);
  if (name === undefined) {
    const guess = nearest(word, FACT_NAMES) ?? FACT_NAMES.join(", ");
    throw new Error(`there is no placeholder ${written}; there is ${guess}`);
  }
  if (form !== "plain" && form !== "json" && form !== "url")
    throw new Error(`there is no placeholder ${written}; after the colon, there is json and url`);
  return { name, form };
}

function join(parts: readonly Part[], fill: (part: Exclude<Part, string>) => string): string {
  return parts.map((part) => (typeof part === "string" ? part : fill(part))).join("");
}

/** Whether a template is JSON: an object or a list. @throws {Error} if it only begins like it */
function makesJson(parts: readonly Part[]): boolean {
  // A word in place of a value: without quotes around it, that is no JSON.
  const sample = join(parts, ({ form }) => (form === "json" ? "null" : "x"));
  try {
    const value: unknown = JSON.parse(sample);
    return typeof value === "object" && value !== null;
  } catch (error) {
    if (!/^\s*\{\s*"/.test(sample)) return false;
    throw new Error(
      `it begins like JSON, but is none (${messageOf(error)}); a value without quotes around it is written {ok:json}`,
      { cause: error },
    );
  }
}
