/**
 * Messages to and from the two threads that tell others what the hub stores: the follower sees it,
 * and the teller tells it. They are two so that a disk that does not respond holds up only the
 * first, and the second can still tell of it.
 *
 * @module
 */

import type { StoredImage } from "../catalog/day-follower.ts";
import type { StoredEvent } from "../catalog/follower.ts";
import type { Settings } from "../config/schema.ts";
import type { HubState, LogMessage } from "../shared/messages.ts";
import type { OutletState } from "../shared/outlet-state.ts";

/** What was stored, in its order. It goes through a port between the two threads. */
export type Stored =
  ({ readonly type: "image" } & StoredImage) | ({ readonly type: "event" } & StoredEvent);

/** The file of an image, or why it cannot be had; undefined if nobody wants it. */
export type Content = Uint8Array<ArrayBuffer> | string | undefined;

/** What goes through the port: what was stored, or that nothing follows. */
export type FromFollower =
  readonly { readonly stored: Stored; readonly content: Content }[] | "end";

/** What comes back through the port. */
export interface FromTeller {
  /** Whether anybody wants the contents of images. */
  readonly wantsContent: boolean;
  /** How many images and events were taken. */
  readonly count: number;
  /** Memory of contents that were taken. It is used again: new memory costs more than reading. */
  readonly taken: readonly ArrayBuffer[];
}

/** A port to the other of the two threads. */
interface Port {
  /** The other one was replaced. */
  readonly type: "port";
  readonly port: MessagePort;
}

/** To the follower. */
export type ToFollower =
  | { readonly type: "start"; readonly settings: Settings; readonly port: MessagePort }
  | Port
  /** Nothing is stored any more: send what is left, and the end. */
  | { readonly type: "finish" };

/** From the follower. */
export type FollowerMessage =
  /** It sees what is stored from now on. */
  { readonly type: "ready" } | LogMessage;

/** To the teller. */
export type ToTeller =
  | { readonly type: "start"; readonly settings: Settings; readonly port: MessagePort }
  | Port
  /** The hub has started: it listens. */
  | { readonly type: "started" }
  /** The state of the hub. */
  | { readonly type: "hub"; readonly hub: HubState }
  /** Read files again, such as those with passwords. */
  | { readonly type: "reload" }
  /** Tell what is left within so many milliseconds. */
  | { readonly type: "finish"; readonly withinMs: number };

/** From the teller. */
export type TellerMessage =
  | { readonly type: "outlets"; readonly outlets: readonly OutletState[] }
  /** It has told what it could. */
  | { readonly type: "finished" }
  | LogMessage;
