package v1beta1

// Hub marks the version that the others convert to.
func (*AgentRun) Hub() {}
