/**
 * Orders to the receiver while it runs. Its loop never ends, so no message reaches it as usual: it
 * looks into a port when the queue says so.
 *
 * @module
 */

import type { ReceiverMessage, ToReceiver } from "../shared/messages.ts";
import type { RequestQueue } from "../shared/queue.ts";

/** The main thread's end of the port. */
export class ReceiverOrders {
  private readonly channel = new MessageChannel();
  /** Those who wait until a node is forgotten. */
  private readonly waiting: { readonly node: string; readonly done: (rows: number) => void }[] = [];

  constructor(private readonly queue: Pick<RequestQueue, "order">) {}

  /** The receiver's end; it is moved to its thread. */
  get port(): MessagePort {
    return this.channel.port2;
  }

  /**
   * Has the receiver forget a node with its views.
   *
   * @returns how many rows it had, when they are gone
   */
  async forget(node: string): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.waiting.push({ node, done: resolve });
    this.give({ type: "forget", node });
    return await promise;
  }

  /** Has the receiver end each camera's connection with its next reply, or no longer do so. */
  letGo(isWanted: boolean): void {
    this.give({ type: "letGo", isWanted });
  }

  /** Has the receiver ask a replicator through this port, which is moved to it. */
  connectBucket(port: MessagePort): void {
    this.give({ type: "bucket", port }, [port]);
  }

  private give(order: ToReceiver, moved: MessagePort[] = []): void {
    this.channel.port1.postMessage(order, moved);
    this.queue.order();
  }

  /** The receiver has done so. Orders are done in turn. */
  heard({ rows }: ReceiverMessage & { type: "forgotten" }): void {
    this.waiting.shift()?.done(rows);
  }
}
