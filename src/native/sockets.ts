// SPDX-License-Identifier: BSD-3-Clause
// Unix sockets, and the descriptors that travel over them.

export interface ReceivedMessage {
  /** Bytes read; 0 if the other side closed the connection. */
  readonly bytes: number;
  /** Descriptors received with them, close-on-exec; the caller owns them. */
  readonly fds: number[];
  /** More descriptors arrived than `maxFds`; the surplus was closed. */
  readonly fdsTruncated: boolean;
}

/** Who may connect to a listening socket; omitted fields are left at the system's defaults. */
export interface SocketAccess {
  /** Permission bits, whatever the umask. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export interface SocketCalls {
  /**
   * Unix stream socket, listening, non-blocking, close-on-exec. A stale socket file is replaced, a live one
   * is EADDRINUSE. No client can connect before the file has its mode and owner. With `messages`, a socket of
   * type SOCK_SEQPACKET, whose messages keep their bounds.
   */
  unixListen(path: string, access?: SocketAccess, messages?: boolean): number;
  /** Numeric ids of names; -1 for an unknown name. */
  userId(name: string): number;
  groupId(name: string): number;
  /** Connected unix socket of a type as in unixListen, non-blocking, close-on-exec. */
  unixConnect(path: string, messages?: boolean): number;
  /** A connected pair, non-blocking; for tests. */
  socketPair(): [number, number];
  /** The next connection, non-blocking; -1 if there is none. */
  unixAccept(fd: number): number;
  /** The path to which the other end of a connection is bound, whatever name led there; '' for none. */
  unixPeerPath(fd: number): string;
  /**
   * Shuts a connection down in both directions before close(): the other side reads end-of-file, never a
   * reset.
   */
  unixShutdown(fd: number): void;
  /**
   * Sends bytes and descriptors in one sendmsg. Returns the bytes accepted, 0 if the socket is full (nothing
   * was sent). Descriptors travel with the first byte. Throws EPIPE, never raises SIGPIPE.
   */
  sendMessage(fd: number, data: Uint8Array, fds: readonly number[]): number;
  /** Receives up to `into.length` bytes and `maxFds` descriptors; null if nothing has arrived yet. */
  receiveMessage(fd: number, into: Uint8Array, maxFds: number): ReceivedMessage | null;
}
