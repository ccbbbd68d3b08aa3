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
import type { ThreadStart, WriterMessage } from "../shared/messages.ts";
import { RequestQueue } from "../shared/queue.ts";
import { firstFastSlot, slotsFor } from "../shared/memory.ts";
import { RequestSlots } from "../shared/request-slot.ts";

declare const self: Worker;

self.onmessage = ({ data }: MessageEvent<ThreadStart>) => {
  const { settings, shared, wakeFd, writer: number, loanFd, socket } = data;
  if (socket === undefined) throw new Error("There is no socket to lend yet");
  const wake = new EventFd(loanFd);
  const fastPath = new FastPath({
    shared,
    number,
    firstSlot: firstFastSlot(slotsFor(settings)),
    loan: new Loan(shared, number, wake),
    queue: new RequestQueue(shared, new EventFd(wakeFd), number),
    wake,
    descriptor: socket.descriptor,
    socket: new ReplySocket(Socket.borrowed(socket.address)),
    reader: new RequestReader({
      textBytesMax: settings.max_text_bytes,
      nameBytesMax: settings.max_name_bytes,
      unlabelled: settings.unlabelled,
      payloadBytesMax: settings.max_message_bytes,
    }),
    slots: new RequestSlots(shared.slots),
    store: new Store(settings, shared, systemClock),
    calendar: new Calendar(systemClock),
  });
  self.postMessage({ type: "ready" } satisfies WriterMessage);
  fastPath.run();
};
