/**
 * A request slot with its frames, for the threads that receive and answer. The threads that only
 * store do without, so that they need not load libzmq.
 *
 * @module
 */

import type { Address } from "../os/ffi.ts";
import { RequestSlot, SLOT_FRAMES } from "../shared/request-slot.ts";
import { Message } from "../zmq/message.ts";

/** Places of the frames in a slot. The hops follow. */
const ROUTING_ID = 0;
const HEADER = 1;
const PAYLOAD = 2;
const FIRST_HOP = 3;

/** Maximum frames between the routing id and the delimiter, one per proxy on the way. */
export const HOPS_MAX = SLOT_FRAMES - FIRST_HOP;

/** A view on one slot and its frames. */
export class FramedSlot extends RequestSlot {
  readonly routingId: Message;
  /** Frame 1. */
  readonly header: Message;
  /** Frame 2. */
  readonly payload: Message;
  private readonly hopFrames: Message[] = [];

  /** @param slots address of slot 0 */
  constructor(slots: Address, index: number) {
    super(slots, index);
    this.routingId = this.frame(ROUTING_ID);
    this.header = this.frame(HEADER);
    this.payload = this.frame(PAYLOAD);
  }

  /** Makes its frames empty. To be called once, before their first use. */
  initFrames(): void {
    for (let index = 0; index < SLOT_FRAMES; index++) this.frame(index).init();
  }

  /** One of the frames between routing id and delimiter. @param index from 0 */
  hop(index: number): Message {
    return (this.hopFrames[index] ??= this.frame(FIRST_HOP + index));
  }

  /**
   * Whether its sender has set a routing id of its own, which may come again on another connection.
   * Those that libzmq makes begin with a zero, and come once. A sender that sets one that begins
   * with a zero may get replies late or never; and if libzmq's counter reaches an id that somebody
   * has set, libzmq ends the process. `arrivals.ts` limits the pace of new connections for that
   * reason.
   */
  get isNamed(): boolean {
    return this.routingId.firstByte !== 0;
  }

  /** Address of its sender, e.g. `192.168.86.41`. It must not be answered yet. */
  get peerAddress(): string {
    // A publisher's message has no routing id.
    const address =
      this.routingId.property("Peer-Address") ?? this.payload.property("Peer-Address");
    return (address ?? "an unknown address").replace(/^::ffff:/, "");
  }

  private frame(index: number): Message {
    return new Message(this.frameAddress(index));
  }
}

/** Views on all slots, each made at its first use. */
export class FramedSlots {
  private readonly views: (FramedSlot | undefined)[] = [];

  /**
   * @param slots address of slot 0
   * @param initsFrames whether this thread prepares the frames of each slot; one thread does
   */
  constructor(
    private readonly slots: Address,
    private readonly initsFrames: boolean,
  ) {}

  at(index: number): FramedSlot {
    return (this.views[index] ??= this.view(index));
  }

  private view(index: number): FramedSlot {
    const view = new FramedSlot(this.slots, index);
    if (this.initsFrames) view.initFrames();
    return view;
  }
}
