// SPDX-License-Identifier: BSD-3-Clause
// The one error class that reaches users.

/**
 * A failure that a user can act on. `code` is stable: an errno name ("ENOENT") for a system call, "VPCI_…" for ours.
 * The message reads "Failed to <verb> <object>: <cause>" and names the thing at fault.
 */
export class PmdError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(oneLine(message), options);
    this.name = 'PmdError';
    this.code = code;
  }
}

const MAX_MESSAGE = 1000;

/** Names and paths in a message are a user's, or a peer's: no second line, no control characters, an end. */
function oneLine(text: string): string {
  const line = text.slice(0, MAX_MESSAGE + 1).replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
  return line.length > MAX_MESSAGE ? `${line.slice(0, MAX_MESSAGE - 1)}…` : line;
}

/** Wraps whatever `cause` is (an addon's errno error, as a rule) into a PmdError that names what was being done. */
export function failedTo(action: string, cause: unknown): PmdError {
  if (cause instanceof PmdError)
    return new PmdError(cause.code, `Failed to ${action}: ${cause.message}`, { cause });
  const error = cause as NodeJS.ErrnoException;
  return new PmdError(
    error.code ?? 'VPCI_INTERNAL',
    `Failed to ${action}: ${error.message ?? String(cause)}`,
    {
      cause,
    },
  );
}
