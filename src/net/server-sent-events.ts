/**
 * Reads server-sent events, as far as the hub sends them: a comment or fields, one line each.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 * @module
 */

/** A message. */
export interface ServerSentEvent {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

/** Longest message, in characters. The hub's have less than 100,000. */
const CHARS_MAX = 4 * 2 ** 20;

/** The messages of a stream as they come, without comments. @throws {Error} if one is endless */
export async function* serverSentEvents(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const messages = (rest + decoder.decode(bytes, { stream: true })).split("\n\n");
    rest = messages.pop()!;
    if (rest.length > CHARS_MAX) throw new Error(`A message has more than ${CHARS_MAX} characters`);
    for (const message of messages) {
      const fields = new Map(message.split("\n").map(fieldIn));
      const data = fields.get("data");
      if (data !== undefined)
        yield { id: fields.get("id"), event: fields.get("event") ?? "message", data };
    }
  }
}

function fieldIn(line: string): [name: string, value: string] {
  const [, name = "", value = ""] = /^([^:]*): ?(.*)$/s.exec(line) ?? [];
  return [name, value];
}
