// SPDX-License-Identifier: BSD-3-Clause
// The streams of the command line, or of a file: JSON, or a module of TypeScript or JavaScript that exports
// an array of streams, as its default or as `streams`.
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { oneLine, PmdError } from '../../src/errors.ts';
import { nodeStripsTypes, typescriptLoader } from '../../src/lcore/typescript-loader.ts';
import { exitProcess } from '../../src/process-end.ts';
import { readText } from '../../src/user-file.ts';
import { tell } from '../run/output.ts';
import type { Options } from './options.ts';
import { fault, wordsOf } from './plan/fault.ts';
import type { Stream } from './plan/stream.ts';

/** Not yet checked, if they are from a file. */
export async function streamsOf(options: Options): Promise<readonly Stream[]> {
  const { streams: file } = options;
  if (file === undefined) return [streamOf(options)];
  try {
    const streams = await load(file);
    // What a module exports may throw wherever it is looked at, as where a promise of it is kept.
    return (Array.isArray(streams) ? [...streams] : streams) as Stream[];
  } catch (error) {
    throw error instanceof PmdError ? error : fault(file, wordsOf(error));
  }
}

/** The stream that the command line describes. */
export function streamOf(options: Options): Stream {
  const { srcMac, dstMac, vlan, srcIp, dstIp, protocol, srcPort, dstPort, tcpFlags, tcpSeq, tcpAck } =
    options;
  const { size, burst, poisson, count } = options;
  const fields = { srcMac, dstMac, vlan, srcIp, dstIp, protocol, srcPort, dstPort, tcpFlags, tcpSeq, tcpAck };
  const given = { ...fields, size, burst, poisson, count };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

const MODULE_FORM = 'a module has its streams as export default [...] or export const streams = [...]';

/** Far above what 256 streams take. */
const MOST_BYTES = 1 << 24;

async function load(file: string): Promise<unknown> {
  const text = readText(file, MOST_BYTES);
  const isModule = /^\.[cm]?[jt]s$/.test(extname(file));
  const value = isModule ? await imported(file) : parseJson(file, text);
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject) return value;
  const other = Object.keys(value).find((key) => key !== 'streams');
  if (other !== undefined) {
    const form = isModule ? `; ${MODULE_FORM}` : '';
    throw fault(file, `unknown key '${other}'; known: streams${form}`);
  }
  return (value as { streams?: unknown }).streams;
}

function parseJson(file: string, text: string): unknown {
  try {
    // Some editors put a byte order mark in front.
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw fault(file, `not JSON: ${wordsOf(error)}`);
  }
}

async function imported(file: string): Promise<unknown> {
  const url = pathToFileURL(resolve(file)).href;
  endWithErrorsOf(file, url);
  // Nothing is left to happen, so that what it waits for never comes.
  const neverEnds = () => end(file, 'it waits (await) for what never comes');
  process.once('beforeExit', neverEnds);
  try {
    if (/ts$/.test(file)) {
      // To tsx it begins a query, in whatever form.
      if (file.includes('?')) throw fault(file, "TypeScript with a '?' in its name: rename the file");
      const loader = typescriptLoader(url, [url, import.meta.url], nodeStripsTypes());
      // It registers what imports TypeScript.
      if (loader !== '') await import(`data:text/javascript,${encodeURIComponent(loader)}`);
    }
    // A CommonJS module is the default export of its namespace, and has its `streams` there.
    const { default: first, streams } = (await import(url)) as { default?: unknown; streams?: unknown };
    const exported = first ?? streams;
    if (exported === undefined) throw fault(file, `no streams; ${MODULE_FORM}`);
    const isNamespace = typeof exported === 'object' && exported !== null && 'default' in exported;
    return isNamespace ? exported.default : exported;
  } finally {
    process.off('beforeExit', neverEnds);
  }
}

function end(place: string, cause: string): void {
  tell(oneLine(`vhost-pci-pktgen: ${place === '' ? '' : `${place}: `}${cause}`));
  exitProcess(1);
}

/** What the module does later, as by a timer, may fail in the middle of the run: that ends it in one line. */
function endWithErrorsOf(file: string, url: string): void {
  process.on('uncaughtException', (error: unknown) => {
    const stack = error instanceof Error ? (error.stack ?? '') : url;
    // With source maps, a stack has paths.
    const isItsOwn = stack.includes(url) || stack.includes(resolve(file));
    end(isItsOwn ? file : '', wordsOf(error));
  });
}
