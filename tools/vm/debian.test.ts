// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { debianMirror, mirrorOf } from './debian.ts';

describe("apt's archives", () => {
  it('are searched for the first archive of Debian itself', () => {
    const targets = [
      'Other|Other|main|http://other.example/apt/',
      'Debian|Debian-Security|main|http://mirror.example/security/',
      'Debian|Debian|contrib|http://contrib.example/debian/',
      'Debian|Debian|main|http://mirror.example/debian/',
      'Debian|Debian|main|http://second.example/debian/',
    ];
    expect(mirrorOf(targets.join('\n'))).toBe('http://mirror.example/debian/');
  });

  it('may have none', () => {
    expect(mirrorOf('')).toBeUndefined();
    expect(mirrorOf('$(ORIGIN)|$(LABEL)|main|http://never-updated.example/\n')).toBeUndefined();
  });

  it('are overridden by the environment', async () => {
    expect(await debianMirror({ VPCI_RIG_MIRROR: 'http://mine.example/' })).toBe('http://mine.example/');
  });
});
