package material

import (
	"errors"
	"fmt"
	"slices"
	"time"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/rules"
)

var (
	// ErrModified says that the data can be read and keeps the rules, but is
	// not what was written: the checksum differs. The set is returned with it.
	ErrModified = errors.New("the data was changed by somebody else")
	// ErrBroken says that the data is no material: something is missing, or
	// breaks a rule. The error names where, and never a value.
	ErrBroken = errors.New("the data holds no usable material")
)

// Decode reads the data of a managed Secret.
func Decode(data map[string][]byte) (*Set, error) {
	set := &Set{
		Type:        signetv1alpha1.KeyType(data[dataType]),
		Algorithm:   signetv1alpha1.KeyAlgorithm(data[dataAlgorithm]),
		DisplayName: string(data[dataDisplayName]),
		Trigger:     string(data[dataTrigger]),
		Immediate:   string(data[dataImmediate]),
	}
	active, err := set.version(data, "")
	if err != nil {
		return nil, err
	}
	set.Active = *active
	if set.Next, err = set.staged(data, prefixNext); err != nil {
		return nil, err
	}
	if set.Previous, err = set.staged(data, prefixPrevious); err != nil {
		return nil, err
	}
	if string(data[dataChecksum]) != checksum(data) {
		return set, ErrModified
	}
	return set, nil
}

func (s *Set) staged(data map[string][]byte, prefix string) (*Version, error) {
	if !hasVersion(data, prefix) {
		return nil, nil
	}
	return s.version(data, prefix)
}

func (s *Set) version(data map[string][]byte, prefix string) (*Version, error) {
	v := &Version{
		ID:     string(data[prefix+dataKeyID]),
		Key:    Bytes(slices.Clone(data[prefix+dataKey])),
		Secret: Bytes(slices.Clone(data[prefix+dataSecret])),
	}
	if errs := rules.ValidateMaterial(s.Type, s.Algorithm, v.Key, v.Secret); len(errs) > 0 {
		return nil, fmt.Errorf("%w: %s%w", ErrBroken, prefix, errs.ToAggregate())
	}
	if v.ID == "" {
		return nil, fmt.Errorf("%w: data[%s] is missing", ErrBroken, prefix+dataKeyID)
	}
	for name, target := range map[string]*time.Time{dataCreated: &v.Created, dataActivated: &v.Activated, dataRetires: &v.Retires} {
		value, there := data[prefix+name]
		if !there {
			continue
		}
		parsed, err := time.Parse(time.RFC3339, string(value))
		if err != nil {
			return nil, fmt.Errorf("%w: data[%s] is no RFC 3339 time", ErrBroken, prefix+name)
		}
		*target = parsed.UTC()
	}
	return v, nil
}
