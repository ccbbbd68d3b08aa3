/**
 * The thread of the fast path.
 *
 * @module
 */

import { Calendar, systemClock } from "../protocol/calendar.ts";
import { EventFd } from "../os/wait.ts";
import { FastPath } from "../receiver/fast-path.ts";
import { Loan } from "../shared/loan.ts";
import { ReplySocket } from "../receiver/reply-socket.ts";
import { RequestReader } from "../protocol/request.ts";
import { Store } from "../store/store.ts";
import { Socket } from "../zmq/socket.ts";
import type { FastPathStart, ReadyMessage } from "../shared/messages.ts";
import { RequestQueue } from "../shared/queue.ts";
import { firstFastSlot, slotsFor } from "../shared/memory.ts";
import { FramedSlots } from "../receiver/framed-slot.ts";
import { StoringThreads } from "../shared/storing-threads.ts";

declare const self: Worker;

self.onmessage = ({ data }: MessageEvent<FastPathStart>) => {
  const { settings, shared, receiverWakeFd, fastPathWakeFd, socket } = data;
  const { fastPath: thread } = new StoringThreads(shared, settings.writers);
  const wake = new EventFd(fastPathWakeFd);
  const fastPath = new FastPath({
    thread,
    firstSlot: firstFastSlot(slotsFor(settings)),
    loan: new Loan(shared, thread.number, wake),
    queue: new RequestQueue(shared, new EventFd(receiverWakeFd), thread.number),
    wake,
    descriptor: socket.descriptor,
    socket: new ReplySocket(Socket.borrowed(socket.address)),
    reader: new RequestReader({
      textBytesMax: settings.max_text_bytes,
      nameBytesMax: settings.max_name_bytes,
      unlabelled: settings.unlabelled,
      payloadBytesMax: settings.max_message_bytes,
    }),
    slots: new FramedSlots(shared.slots, false),
    store: new Store(settings, shared, systemClock),
    calendar: new Calendar(systemClock),
  });
  self.postMessage({ type: "ready" } satisfies ReadyMessage);
  fastPath.run();
};
