// SPDX-License-Identifier: BSD-3-Clause
// The form of a layout: a name, a size, a source and a table of fields. All formats here are little-endian
// (vfio-user and vhost-user specify host endianness; this project runs on little-endian hosts only).

export type FieldType = 'u8' | 'u16' | 'u32' | 's32' | 'u64';
export type Access = 'ro' | 'rw' | 'wo';

export interface Field {
  readonly offset: number;
  readonly type: FieldType;
  /** Access as the driver (or the protocol client) sees it. */
  readonly access: Access;
}

export interface Layout<F extends Record<string, Field> = Record<string, Field>> {
  readonly name: string;
  /** Specification section, or the file of the reference code. */
  readonly source: string;
  /** Bytes. */
  readonly size: number;
  readonly fields: F;
}

export const FIELD_BYTES: Readonly<Record<FieldType, number>> = { u8: 1, u16: 2, u32: 4, s32: 4, u64: 8 };

export const at = <T extends FieldType>(offset: number, type: T, access: Access = 'rw') =>
  ({ offset, type, access }) as const;

type Value<T extends FieldType> = T extends 'u64' ? bigint : number;
type Values<F extends Record<string, Field>> = { [K in keyof F]: Value<F[K]['type']> };

/** Reads one field of a structure that starts at byte `base` of `view`. */
export function readField<T extends FieldType>(
  view: DataView,
  field: { readonly offset: number; readonly type: T },
  base = 0,
): Value<T> {
  return readRaw(view, field.type, base + field.offset) as Value<T>;
}

/** Writes one field; the value is truncated to the field's width. */
export function writeField<T extends FieldType>(
  view: DataView,
  field: { readonly offset: number; readonly type: T },
  value: Value<T>,
  base = 0,
): void {
  const offset = base + field.offset;
  switch (field.type) {
    case 'u8':
      view.setUint8(offset, value as number);
      break;
    case 'u16':
      view.setUint16(offset, value as number, true);
      break;
    case 'u32':
      view.setUint32(offset, value as number, true);
      break;
    case 's32':
      view.setInt32(offset, value as number, true);
      break;
    case 'u64':
      view.setBigUint64(offset, value as bigint, true);
      break;
  }
}

/** Decodes a whole structure. */
export function decode<F extends Record<string, Field>>(
  layout: Layout<F>,
  view: DataView,
  base = 0,
): Values<F> {
  const out: Record<string, number | bigint> = {};
  for (const [name, field] of Object.entries(layout.fields))
    out[name] = readRaw(view, field.type, base + field.offset);
  return out as Values<F>;
}

/** Encodes a structure into new memory (or into `into` at `base`); omitted fields are zero. */
export function encode<F extends Record<string, Field>>(
  layout: Layout<F>,
  values: Partial<Values<F>>,
  into: DataView = new DataView(new ArrayBuffer(layout.size)),
  base = 0,
): DataView {
  for (const [name, field] of Object.entries(layout.fields)) {
    const value = values[name as keyof F];
    writeField(into, field as Field, (value ?? (field.type === 'u64' ? 0n : 0)) as never, base);
  }
  return into;
}

function readRaw(view: DataView, type: FieldType, offset: number): number | bigint {
  switch (type) {
    case 'u8':
      return view.getUint8(offset);
    case 'u16':
      return view.getUint16(offset, true);
    case 'u32':
      return view.getUint32(offset, true);
    case 's32':
      return view.getInt32(offset, true);
    case 'u64':
      return view.getBigUint64(offset, true);
  }
}
