package pluginsdk

import "google.golang.org/protobuf/proto"

// Description is what a plugin can say of itself before it is initialised, so that a
// deployment can be checked without starting anything.
type Description struct {
	// Services are what Init will register, such as File_ServiceDesc of generated code.
	Services []Service
	// Config is an empty message of the type that the plugin reads with
	// [ReadConfig]; nil when it has no configuration.
	Config proto.Message
	// ChecksConfig says that the plugin can check its configuration, see [ConfigChecker].
	// Describe need not set it; process.Describe does.
	ChecksConfig bool
}

// Describer is a [ParigotInit] that describes itself. A plugin need not be one; of
// one that is not, nothing is known before it has started, and it can have no
// configuration in a deployment file.
type Describer interface {
	// Describe returns the description. It has no effects, may be called before Init
	// and any number of times, and is safe for concurrent use.
	Describe() Description
}

// Described returns a [Describer] that is initialised as p and says what describe
// returns, for a plugin that cannot have the method Describe because one of its
// service's own has that name.
func Described(p ParigotInit, describe func() Description) ParigotInit {
	return described{p, describe}
}

type described struct {
	ParigotInit
	describe func() Description
}

func (d described) Describe() Description { return d.describe() }

// describeAll puts the descriptions of plugins together, all of which are
// Describers. They get the same configuration, so the first that has one tells its
// type.
func describeAll(plugins []ParigotInit) (d Description) {
	for _, p := range plugins {
		one := p.(Describer).Describe()
		d.Services = append(d.Services, one.Services...)
		if d.Config == nil {
			d.Config = one.Config
		}
	}
	return d
}
