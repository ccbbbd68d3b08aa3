/**
 * The thread that reads what people look at: it makes the answers to HTTP requests that the main
 * thread hands to it.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import { type Answer, dropParts } from "../http/answer.ts";
import type { ToViewer, ViewerMessage } from "../shared/messages.ts";
import { Site } from "../view/site.ts";
import { Tree } from "../view/tree.ts";
import { giveWay } from "./give-way.ts";

declare const self: Worker;

function post(message: ViewerMessage, bytes?: Uint8Array): void {
  // Bytes that are all of their buffer move, and are not copied.
  const moves =
    bytes?.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength;
  self.postMessage(message, moves ? [bytes.buffer] : []);
}

/** An answer that is under way. */
interface UnderWay {
  readonly gone: AbortController;
  parts: AsyncIterator<Uint8Array> | undefined;
}

let site: Site | undefined;
const underWay = new Map<number, UnderWay>();

self.onmessage = ({ data: message }: MessageEvent<ToViewer>) => {
  switch (message.type) {
    case "start":
      giveWay();
      site = new Site(
        new Tree(message.settings, {
          warn: (text) => post({ type: "log", level: "warn", message: text }),
        }),
      );
      break;
    case "ask":
      void answer(message);
      break;
    case "next":
      void next(message.id);
      break;
    case "gone":
      end(message.id);
      break;
    case "health":
      site?.setHealth(message.health);
      break;
    case "nodes":
      site?.setNodes(message.nodes);
  }
};

async function answer({ id, request }: ToViewer & { readonly type: "ask" }): Promise<void> {
  const gone = new AbortController();
  underWay.set(id, { gone, parts: undefined });
  site!.begin(request.path);
  const made: Answer = await site!.answer({
    ...request,
    query: new URLSearchParams(request.query),
    gone: gone.signal,
  });
  const { status, type: contentType, headers = {}, body, length } = made;
  const current = underWay.get(id);
  if (body instanceof Uint8Array) {
    post({ type: "answer", id, status, contentType, headers, length, body }, body);
    end(id);
  } else if (current === undefined) {
    await dropParts(body);
  } else {
    current.parts = body[Symbol.asyncIterator]();
    post({ type: "answer", id, status, contentType, headers, length, body: undefined });
  }
}

async function next(id: number): Promise<void> {
  const current = underWay.get(id);
  if (current?.parts === undefined) return;
  try {
    const { value, done } = await current.parts.next();
    if (done === true) {
      post({ type: "part", id, bytes: undefined });
      end(id);
    } else post({ type: "part", id, bytes: value }, value);
  } catch (error) {
    post({ type: "broken", id, reason: messageOf(error) });
    end(id);
  }
}

function end(id: number): void {
  const current = underWay.get(id);
  if (current === undefined) return;
  underWay.delete(id);
  current.gone.abort();
  void current.parts?.return?.().catch(() => undefined);
  site!.end();
}
