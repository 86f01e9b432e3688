import { buildDecrypt } from '@aws-crypto/decrypt-node';
import { buildEncrypt } from '@aws-crypto/encrypt-node';
import { AlgorithmSuiteIdentifier, CommitmentPolicy } from '@aws-crypto/material-management-node';
import { RawAesKeyringNode, RawAesWrappingSuiteIdentifier } from '@aws-crypto/raw-aes-keyring-node';
import { keyNamespace, type NamedKey } from './message.ts';

// One wrapping a message is all that we write: a message with thousands of them is an attack on the reader.
const limits = { commitmentPolicy: CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT, maxEncryptedDataKeys: 1 };
// The parts of the SDK that are needed: all of it brings a client of KMS, which costs each process a fifth of its start.
export const { encrypt } = buildEncrypt(limits);
export const { decryptStream } = buildDecrypt(limits);
export const suiteId = AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY;

export function keyringOf(key: NamedKey): RawAesKeyringNode {
  // A copy with memory of its own: the SDK refuses a view into a shared pool.
  const unencryptedMasterKey = new Uint8Array(key.bytes);
  return new RawAesKeyringNode({
    keyName: key.name,
    keyNamespace,
    unencryptedMasterKey,
    wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
    utf8Sorting: true,
  });
}
