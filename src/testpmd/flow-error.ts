// SPDX-License-Identifier: BSD-3-Clause
// Why a flow rule is refused, in the words of testpmd and rte_flow.

/** enum rte_flow_error_type. */
const TYPES = {
  'cause unspecified': 1,
  'group field': 3,
  'ingress field': 5,
  'egress field': 6,
  'transfer field': 7,
  'item specification range': 11,
  'item specification mask': 12,
  'specific pattern item': 13,
  'number of actions': 14,
  'action configuration': 15,
  'specific action': 16,
} as const;

export type FlowErrorType = keyof typeof TYPES;

export class FlowError extends Error {
  constructor(type: FlowErrorType, message: string, errno = 'Operation not supported') {
    super(`port_flow_complain(): Caught PMD error type ${TYPES[type]} (${type}): ${message}: ${errno}`);
  }
}

/** The line is no flow rule: testpmd's grammar does not take it. */
export class FlowSyntaxError extends Error {
  constructor() {
    super('Bad arguments');
  }
}
