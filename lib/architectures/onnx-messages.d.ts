// Written by scripts/write-onnx-messages.mjs from onnx.proto: change that, then run the script.

export const AttributeProtoAttributeType: { readonly FLOAT: 1; readonly INT: 2; readonly STRING: 3; readonly INTS: 7 };

export interface AttributeProto {
  readonly name?: string;
  readonly f?: number;
  readonly i?: number;
  readonly s?: Uint8Array;
  readonly ints?: readonly number[];
  readonly type?: number;
}

export interface NodeProto {
  readonly input?: readonly string[];
  readonly output?: readonly string[];
  readonly name?: string;
  readonly opType?: string;
  readonly attribute?: readonly AttributeProto[];
  readonly domain?: string;
}

export interface StringStringEntryProto {
  readonly key?: string;
  readonly value?: string;
}

export const TensorProtoDataType: { readonly FLOAT: 1; readonly INT32: 6; readonly INT64: 7; readonly FLOAT16: 10; readonly BFLOAT16: 16 };

export const TensorProtoDataLocation: { readonly DEFAULT: 0; readonly EXTERNAL: 1 };

export interface TensorProto {
  readonly dims?: readonly number[];
  readonly dataType?: number;
  readonly floatData?: readonly number[];
  readonly int64Data?: readonly number[];
  readonly name?: string;
  readonly externalData?: readonly StringStringEntryProto[];
  readonly dataLocation?: number;
}

export interface TensorShapeProto {
  readonly dim?: readonly TensorShapeProtoDimension[];
}

export interface TensorShapeProtoDimension {
  readonly dimParam?: string;
}

export interface TypeProto {
  readonly tensorType?: TypeProtoTensor;
}

export interface TypeProtoTensor {
  readonly elemType?: number;
  readonly shape?: TensorShapeProto;
}

export interface ValueInfoProto {
  readonly name?: string;
  readonly type?: TypeProto;
}

export interface OperatorSetIdProto {
  readonly domain?: string;
  readonly version?: number;
}

export interface GraphProto {
  readonly node?: readonly NodeProto[];
  readonly name?: string;
  readonly initializer?: readonly TensorProto[];
  readonly input?: readonly ValueInfoProto[];
  readonly output?: readonly ValueInfoProto[];
}

export interface ModelProto {
  readonly irVersion?: number;
  readonly producerName?: string;
  readonly graph?: GraphProto;
  readonly opsetImport?: readonly OperatorSetIdProto[];
}

/** The bytes of a model. */
export function encodeModel(model: ModelProto): Uint8Array;
