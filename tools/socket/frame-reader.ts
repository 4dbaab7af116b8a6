// SPDX-License-Identifier: BSD-3-Clause
// Splits a stream socket into framed messages with descriptors, as far as bytes have arrived.
//
// Contract: no read crosses the end of a message, so descriptors belong to the message with whose bytes they
// arrived. A header is checked before any of its payload is read or allocated. Descriptors beyond the
// framing's limit are closed at once.
import { native } from '../../src/native.ts';
import { closeAll } from './fds.ts';

export interface Framing {
  readonly headerBytes: number;
  /** Descriptors that one message may carry. */
  readonly maxFds: number;
  /** Bytes that follow this header, or the reason why the stream cannot continue. */
  payloadBytes(header: DataView): number | string;
  /** A check of the first bytes of a header, before the rest has arrived. */
  readonly early?: {
    readonly bytes: number;
    /** Why the stream cannot continue, or null. */
    fault(head: DataView): string | null;
  };
}

export interface Message {
  /** Header and payload. */
  readonly data: DataView;
  /** Owned by the message; a handler takes out the descriptors it keeps. */
  readonly fds: number[];
  /** More descriptors arrived than the framing allows; the surplus has been closed. */
  readonly fdsTruncated: boolean;
}

/** The reason for the end of a connection that the other side closed. */
export const DISCONNECTED = 'it disconnected';

/** "driver disconnected", with the reason where there is another one. */
export const departure = (who: string, reason: string): string =>
  reason.startsWith(DISCONNECTED) ? `${who} ${reason.slice('it '.length)}` : `${who} disconnected: ${reason}`;

/**
 * The stream is over: the other side closed it, the framing does not accept a header, or a system call failed
 * (`cause`).
 */
export class StreamEnd extends Error {
  readonly kind: 'closed' | 'framing' | 'system';

  constructor(kind: StreamEnd['kind'], message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'StreamEnd';
    this.kind = kind;
  }
}

export class FrameReader {
  readonly #framing: Framing;
  #message: Uint8Array;
  #have = 0;
  #headerDone = false;
  #fds: number[] = [];
  #fdsTruncated = false;

  constructor(framing: Framing) {
    this.#framing = framing;
    this.#message = new Uint8Array(framing.headerBytes);
  }

  /** Some bytes of the next message have arrived. */
  get begun(): boolean {
    return this.#have > 0;
  }

  /** The next complete message; null when there is none yet. Throws StreamEnd. */
  read(fd: number): Message | null {
    for (;;) {
      if (this.#have === this.#message.length) {
        const rest = this.#headerDone ? 0 : this.#headerComplete();
        if (rest === 0) return this.#messageComplete();
      }
      if (!this.#readSome(fd)) return null;
      this.#checkEarly();
    }
  }

  /** Closes the descriptors of an incomplete message. */
  close(): void {
    closeAll(this.#fds);
  }

  #checkEarly(): void {
    const { early } = this.#framing;
    if (!early || this.#headerDone || this.#have < early.bytes) return;
    const fault = early.fault(new DataView(this.#message.buffer));
    if (fault !== null) throw new StreamEnd('framing', fault);
  }

  /** Payload bytes announced by the header. */
  #headerComplete(): number {
    const payload = this.#framing.payloadBytes(new DataView(this.#message.buffer));
    if (typeof payload === 'string') throw new StreamEnd('framing', payload);
    this.#headerDone = true;
    const whole = new Uint8Array(this.#framing.headerBytes + payload);
    whole.set(this.#message);
    this.#message = whole;
    return payload;
  }

  #messageComplete(): Message {
    const message: Message = {
      data: new DataView(this.#message.buffer),
      fds: this.#fds,
      fdsTruncated: this.#fdsTruncated,
    };
    this.#message = new Uint8Array(this.#framing.headerBytes);
    this.#have = 0;
    this.#headerDone = false;
    this.#fds = [];
    this.#fdsTruncated = false;
    return message;
  }

  /** False when nothing more has arrived. */
  #readSome(fd: number): boolean {
    const got = this.#receive(fd);
    if (!got) return false;
    this.#keepFds(got.fds);
    this.#fdsTruncated ||= got.fdsTruncated;
    if (got.bytes === 0)
      throw new StreamEnd('closed', this.begun ? `${DISCONNECTED} in the middle of a message` : DISCONNECTED);
    this.#have += got.bytes;
    return true;
  }

  #receive(fd: number): ReturnType<typeof native.receiveMessage> {
    try {
      return native.receiveMessage(fd, this.#message.subarray(this.#have), this.#framing.maxFds);
    } catch (cause) {
      throw new StreamEnd('system', (cause as Error).message, cause);
    }
  }

  #keepFds(fds: number[]): void {
    const room = this.#framing.maxFds - this.#fds.length;
    const surplus = fds.splice(Math.max(room, 0));
    this.#fds.push(...fds);
    if (surplus.length === 0) return;
    this.#fdsTruncated = true;
    closeAll(surplus);
  }
}
